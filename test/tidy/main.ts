// `npm run tidy`: arrows, sizes, words, documents, unused exports.
import { runVitest } from "../run-vitest.ts";

const { failed } = await runVitest(["test/tidy"]);
process.exitCode = failed === 0 ? 0 : 1;
