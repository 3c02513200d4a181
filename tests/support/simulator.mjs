// Answers one line at a time: JSON in, verdicts out. The simulator is a development tool; nothing of it ships.
//
// A line holds any number of requests, and the policies they are checked against unless those are the line before's.
// `checked` requests go through the entry point that knows each action's resource types and condition keys and refuses
// or drops what an action cannot have.
import { createInterface } from 'node:readline'
import { createValidatedPolicy, validateIdentityPolicy, validateResourcePolicy } from '@cloud-copilot/iam-policy'
import { runSimulation, runUnsafeSimulation } from '@cloud-copilot/iam-simulate'

// The simulator compares operators with `localeCompare(other, undefined, options)`, a fifth of its time: Node makes a
// collator for each call. One collator for each options object says the same.
const collators = new Map()
const localeCompare = String.prototype.localeCompare
String.prototype.localeCompare = function (other, locale, options) {
  if (locale !== undefined || !options) return localeCompare.call(this, other, locale, options)
  if (!collators.has(options)) collators.set(options, new Intl.Collator(undefined, options))
  return collators.get(options).compare(this, other)
}

// Validation takes longer than a decision: once for all requests.
function validated({ identityPolicies, permissionBoundaryPolicies, resourcePolicy }) {
  const each = (list) => list?.map(({ name, policy }) => ({ name, policy: createValidatedPolicy(policy, validateIdentityPolicy) }))
  return {
    identityPolicies: each(identityPolicies),
    permissionBoundaryPolicies: each(permissionBoundaryPolicies),
    resourcePolicy: resourcePolicy && createValidatedPolicy(resourcePolicy, validateResourcePolicy)
  }
}

// Unlike the checked entry point, the other one gives a resource policy no name, and fails when it reports one.
function named({ resourcePolicy, ...rest }) {
  return { ...rest, resourcePolicy: resourcePolicy && createValidatedPolicy(resourcePolicy, () => [], { name: 'r' }) }
}

function sids(results, kind) {
  const statements = results.flatMap(({ analysis }) => analysis?.identityAnalysis?.[kind] ?? [])
  return statements.map(({ statement }) => statement.sid?.() ?? '')
}

async function verdict(policies, request, checked) {
  const simulation = { ...policies, request, serviceControlPolicies: [], resourceControlPolicies: [] }
  try {
    if (!checked) return { outcome: runUnsafeSimulation(simulation, {}) }
    const found = await runSimulation(simulation, {})
    if (found.resultType === 'error') return { outcome: `error: ${JSON.stringify(found.errors)}` }
    const results = found.resultType === 'single' ? [found.result] : found.results
    return { outcome: found.overallResult, allow: sids(results, 'allowStatements'), deny: sids(results, 'denyStatements') }
  } catch (error) {
    return { outcome: `error: ${error.message}` }
  }
}

let policies
for await (const line of createInterface({ input: process.stdin })) {
  const { policies: given, requests, checked } = JSON.parse(line)
  if (given) policies = checked ? validated(given) : named(given)
  const verdicts = []
  for (const request of requests) verdicts.push(await verdict(policies, request, checked))
  process.stdout.write(`${JSON.stringify(verdicts)}\n`)
}
