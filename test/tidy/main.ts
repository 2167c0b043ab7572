// `npm run tidy`: arrows, sizes, words, documents, unused exports.
import { runCommand } from "../run-command.ts";
import { runVitest } from "../run-vitest.ts";

const results = [
  await runVitest(["test/tidy"]),
  await runCommand("node_modules/.bin/knip", ["--no-progress"]),
];
const failed = results.reduce((sum, result) => sum + result.failed, 0);
process.exitCode = failed === 0 ? 0 : 1;
