// A node agent without its parts, for a service: its own process, ready when it has started. Fails
// where R2K_TEST_FAILS says why.
import { mkdirSync } from "node:fs";
import { NODE_AGENT } from "../../cli/machine/layout.ts";
import { runProcess } from "../../cli/process/running.ts";

const { runDir, logPath } = NODE_AGENT;
mkdirSync(runDir, { recursive: true });
await runProcess({ name: "machine", runDir, logPath }, async (parts) => {
  const failure = process.env["R2K_TEST_FAILS"];
  if (failure !== undefined) throw new Error(failure);
  const clock = setInterval(() => {}, 60_000);
  await parts.start("agent", async () => ({ close: async () => clearInterval(clock) }));
  return async () => {};
});
