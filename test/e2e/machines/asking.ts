/**
 * A program of Node: asks each of its URLs four times a second, on a new connection and on
 * one that is kept in turn, prints each failure, and once a second how many were answered. Data on
 * its input ends it.
 */
export const ASKING = `
const http = require("node:http");
const kept = new http.Agent({ keepAlive: true });
let answered = 0;
let failed = 0;
const ask = (url, agent) => new Promise((resolve) => {
  const fail = (error) => {
    failed++;
    console.log("failed " + new Date().toISOString() + " " + url + " " +
      (agent ? "kept: " : "new: ") + error.message);
    resolve();
  };
  const call = http.get(url, { agent, signal: AbortSignal.timeout(15000) }, (answer) => {
    answer.on("error", fail);
    answer.on("end", () => {
      answered++;
      resolve();
    });
    answer.resume();
  });
  call.on("error", fail);
});
const loop = async (url) => {
  for (let turn = 0; ; turn++) {
    await ask(url, turn % 2 === 0 ? kept : false);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
};
setInterval(() => console.log("answered " + answered + " failed " + failed), 1000);
process.stdin.on("data", () => process.exit(0));
process.argv.slice(1).forEach(loop);
`;

/** The sums of what such programs printed, and the failures by their lines. */
export function countsOf(outputs: readonly string[]): { answered: number; failures: string[] } {
  let answered = 0;
  const failures: string[] = [];
  for (const output of outputs) {
    const counts = [...output.matchAll(/^answered (\d+)/gm)].at(-1);
    answered += Number(counts?.[1] ?? 0);
    failures.push(...output.split("\n").filter((line) => line.startsWith("failed ")));
  }
  return { answered, failures };
}
