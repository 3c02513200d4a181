// Answers one line at a time: JSON in, verdicts out. A development tool, run as a process of its own.
//
// A line holds policies and any number of requests held against them. `checked` requests go through the entry point
// that knows each action's resource types and condition keys and refuses or drops what an action cannot have.
import { createInterface } from 'node:readline'
import { runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

async function verdict({ policies, checked }, request) {
  const simulation = { ...policies, request, serviceControlPolicies: [], resourceControlPolicies: [] }
  try {
    if (!checked) return runUnsafeSimulation(simulation, {})
    const found = await runSimulation(simulation, {})
    return found.resultType === 'error' ? `error: ${JSON.stringify(found.errors)}` : found.overallResult
  } catch (error) {
    return `error: ${error.message}`
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line)
  const replies = []
  for (const request of question.requests) {
    replies.push(await verdict(question, request))
  }
  process.stdout.write(`${JSON.stringify(replies)}\n`)
}
