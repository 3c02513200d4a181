// Answers one simulation per line: JSON in, the verdict out. A development tool, run as a process of its own.
import { createInterface } from 'node:readline'
import { runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

async function answer(simulation) {
  // The unchecked entry point cannot name a resource policy; the checked one refuses keys an action does not have.
  if (!simulation.resourcePolicy) return runUnsafeSimulation(simulation, {})
  const found = await runSimulation(simulation, {})
  return found.resultType === 'error' ? `error: ${JSON.stringify(found.errors)}` : found.overallResult
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply
  try {
    reply = await answer(JSON.parse(line))
  } catch (error) {
    reply = `error: ${error.message}`
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`)
}
