import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { expect, it } from "vitest";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { IDLE } from "../limits.ts";

let idles = 0;
const own = fileApiserver({ onIdle: () => void idles++ });

const MAPS = "/api/v1/namespaces/default/configmaps";
const LARGE = { metadata: { name: "large" }, data: { text: "x".repeat(1_000_000) } };

it("onIdle is called once after large responses, not after small ones", async () => {
  await own.ask(MAPS, { method: "POST", body: LARGE });
  expect(idles).toBe(0);
  for (let bytes = 0; bytes < IDLE.busy_bytes; ) {
    bytes += (await own.ask(`${MAPS}/large`)).body.length;
  }
  const clock = systemClock();
  await waitFor("onIdle", () => idles === 1, { clock, timeout_ms: 60_000 });
  for (let i = 0; i < 10; i++) expect((await own.ask("/version")).status).toBe(200);
  expect(idles).toBe(1);
});
