// The server that bench/apiserver-loop.ts measures: its own process, so that its loop serves
// requests and nothing else. Says by messages how long the loop was held between two of them.
import { startEtcd } from "../../testing/apiserver/etcd-server.ts";
import { startTestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { peer } from "./sides.ts";

/** Messages from the parent. */
export type LoopQuestion = "begin" | "end" | "stop";

/** Where the server is, and then the longest turn of each measurement. */
export type LoopAnswer =
  | { server: string; ca: string; cert: string; key: string }
  | { held_ms: number };

const US_PER_MS = 1_000;

/** CPU time of this thread: waiting for a processor does not count. */
function cpu_ms(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / US_PER_MS;
}

let measuring = false;
let longest_ms = 0;
let turn_ms = 0;

/** Runs once in each turn of the loop, which therefore never sleeps while it measures. */
function turn(): void {
  const now_ms = cpu_ms();
  longest_ms = Math.max(longest_ms, now_ms - turn_ms);
  turn_ms = now_ms;
  if (measuring) setImmediate(turn);
}

// A newer etcd than the distribution's, which cannot prove that a cache misses nothing.
const etcd = await startEtcd(peer("etcd"));
const api = await startTestApiserver(etcd.client);
const { cert, key } = await api.credentials("admin", ["system:masters"]);
const say = (answer: LoopAnswer) => process.send!(answer);

process.on("message", (question: LoopQuestion) => {
  if (question === "stop") {
    measuring = false;
    void api
      .close()
      .then(() => etcd.close())
      .then(() => process.disconnect());
  } else if (question === "begin") {
    measuring = true;
    longest_ms = 0;
    turn_ms = cpu_ms();
    setImmediate(turn);
    // The parent starts once it knows that this one has.
    setImmediate(() => say({ held_ms: 0 }));
  } else {
    measuring = false;
    say({ held_ms: longest_ms });
  }
});
say({ server: api.server, ca: api.ca.cert, cert, key });
