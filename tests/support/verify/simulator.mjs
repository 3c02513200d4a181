// Answers one line at a time: JSON in, verdicts out. A development tool, run as a process of its own.
//
// A line holds policies and any number of requests held against them. `checked` requests go through the entry point
// that knows each action's resource types and condition keys and refuses or drops what an action cannot have.
import { createInterface } from 'node:readline'
import { createValidatedPolicy, validateIdentityPolicy, validateResourcePolicy } from '@cloud-copilot/iam-policy'
import { runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

// Validation takes longer than a decision: once for all requests of a line.
function validated({ identityPolicies, permissionBoundaryPolicies, resourcePolicy }) {
  const each = (list) => list?.map(({ name, policy }) => ({ name, policy: createValidatedPolicy(policy, validateIdentityPolicy) }))
  return {
    identityPolicies: each(identityPolicies),
    permissionBoundaryPolicies: each(permissionBoundaryPolicies),
    resourcePolicy: resourcePolicy && createValidatedPolicy(resourcePolicy, validateResourcePolicy)
  }
}

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
  const { policies } = question
  if (question.checked) question.policies = validated(policies)
  // Unlike the checked entry point, the other one gives a resource policy no name, and fails when it reports one.
  else if (policies.resourcePolicy) policies.resourcePolicy = createValidatedPolicy(policies.resourcePolicy, () => [], { name: 'r' })
  const replies = []
  for (const request of question.requests) {
    replies.push(await verdict(question, request))
  }
  process.stdout.write(`${JSON.stringify(replies)}\n`)
}
