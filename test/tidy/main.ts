// `npm run tidy`: arrows, sizes, words, documents, unused exports.
import { runVitest } from "../run-vitest.ts";

const { failures } = await runVitest(["test/tidy"], { workers: 1 });
process.exitCode = failures.length === 0 ? 0 : 1;
