import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { expect, it } from "vitest";
import { IDLE } from "../limits.ts";
import { fileApiserver } from "../testing/file-apiserver.ts";

let told = 0;
const own = fileApiserver({ onIdle: () => void told++ });

const MAPS = "/api/v1/namespaces/default/configmaps";
const LARGE = { metadata: { name: "large" }, data: { text: "x".repeat(1_000_000) } };

it("large answers are followed by a moment to give memory back, small ones are not", async () => {
  await own.ask(MAPS, { method: "POST", body: LARGE });
  expect(told).toBe(0);
  for (let bytes = 0; bytes < IDLE.busy_bytes;) {
    bytes += (await own.ask(`${MAPS}/large`)).body.length;
  }
  const clock = systemClock();
  await waitFor("the moment", () => told === 1, { clock, timeout_ms: 60_000 });
  for (let i = 0; i < 10; i++) expect((await own.ask("/version")).status).toBe(200);
  expect(told).toBe(1);
});
