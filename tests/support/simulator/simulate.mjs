// Reads one simulation per line on stdin, writes one verdict per line on stdout.
// The simulator is a development tool of its own (@cloud-copilot/iam-simulate); nothing of it ships.
import { createInterface } from 'node:readline'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const sids = (analysis, kind) => (analysis?.[kind] ?? []).map((s) => s.statement.sid?.() ?? '')

for await (const line of createInterface({ input: process.stdin })) {
  const response = await runSimulation(JSON.parse(line), {})
  if (response.resultType === 'error') {
    process.stdout.write(JSON.stringify({ error: response.errors }) + '\n')
    continue
  }
  const results = response.resultType === 'single' ? [response.result] : response.results
  process.stdout.write(
    JSON.stringify({
      allowed: results.length > 0 && results.every((r) => r.analysis?.result === 'Allowed'),
      anyAllowed: results.some((r) => r.analysis?.result === 'Allowed'),
      overall: response.overallResult,
      allow: results.flatMap((r) => sids(r.analysis?.identityAnalysis, 'allowStatements')),
      deny: results.flatMap((r) => sids(r.analysis?.identityAnalysis, 'denyStatements')),
      ignored: results.flatMap((r) => r.ignoredContextKeys ?? []),
    }) + '\n'
  )
}
