import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { type AskOptions, ask } from "../testing/apiserver/ask.ts";
import type { TestApiserver } from "../testing/apiserver/test-apiserver.ts";
import { type Deed, deeds } from "./apiserver/large-requests.ts";
import type { Row } from "./benchmark.ts";
import type { ApiserverWhere } from "./turns/apiserver-server.ts";
import { startMeasured } from "./turns/measured.ts";

/** Time without an event after which the initial events are complete. */
const QUIET_MS = 300;
const SERVER = join(import.meta.dirname, "turns/apiserver-server.ts");
const GOAL_MS = 200;

/**
 * How long the apiserver's loop is held by one request whose body, or whose object, is large: the
 * most CPU time of one turn of the loop, for each kind of request and form.
 */
export async function apiserverLoop(): Promise<Row[]> {
  const { where, during, stop } = await startMeasured<ApiserverWhere>(SERVER, []);
  try {
    const { server, ca, cert, key } = where;
    const api = { server, ca: { cert: ca } } as TestApiserver;
    const rows: Row[] = [];
    for (const deed of deeds()) {
      const admin = { cert, key };
      const watch = deed.watched && (await watching(api, deed.watched, admin));
      let code = 0;
      const { longest_ms } = await during(GOAL_MS, async () => {
        code = await doIt(api, deed, admin);
        await watch?.event();
      });
      process.stderr.write(`  ${deed.what}: ${code}: ${longest_ms.toFixed(0)} ms\n`);
      rows.push({ what: deed.what, unit: "ms", ours: longest_ms, goal: `<= ${GOAL_MS} ms` });
    }
    return rows;
  } finally {
    await stop();
  }
}

/** An open watch after the existing objects; `event` resolves with the next one, and ends it. */
async function watching(
  { server, ca }: TestApiserver,
  { path, accept }: NonNullable<Deed["watched"]>,
  admin: AskOptions,
): Promise<{ event(): Promise<void> }> {
  const sent = request(`${server}${path}`, { ca: ca.cert, ...admin, headers: { accept } });
  sent.end();
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  let bytes = 0;
  let seen = 0;
  answer.on("data", (chunk: Buffer) => (bytes += chunk.length));
  const quiet = () => {
    const same = bytes === seen && bytes > 0;
    seen = bytes;
    return same;
  };
  const patience = { clock: systemClock(), timeout_ms: 60_000, interval_ms: QUIET_MS };
  await waitFor("the objects that there are", quiet, patience);
  const before = bytes;
  return {
    async event() {
      await waitFor("an event", () => bytes > before, patience);
      sent.destroy();
    },
  };
}

async function doIt(api: TestApiserver, deed: Deed, admin: AskOptions): Promise<number> {
  const { status, body } = await ask(api, deed.path, { ...admin, agent: false, ...deed.options });
  if (deed.codes.includes(status)) return status;
  throw new Error(`${deed.what}: ${status}: ${body.slice(0, 500)}`);
}
