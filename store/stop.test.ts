import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { startStore } from "./main.ts";

test("a member that stops answers the calls under way; later ones are never sent", async () => {
  const dir = testFolder("r2k-stop-");
  const path = join(dir, "store.sock");
  const store = await startStore({ dataDir: join(dir, "data"), listenClient: { path } });
  const client = connectEtcd({ endpoints: [`unix://${path}`], timeout_ms: 1_000 });
  const failures: string[] = [];
  let answered = 0;
  let stops = false;
  const write = async (key: string) => {
    while (failures.length === 0) {
      try {
        await client.put({ key: Buffer.from(key), value: Buffer.alloc(4_096) });
        answered++;
      } catch (thrown) {
        const isLate = codeOf(thrown) === "DEADLINE_EXCEEDED"; // on a busy machine
        if (stops || !isLate) failures.push(messageOf(thrown));
      }
    }
  };
  const writers = Array.from({ length: 32 }, (_, i) => write(String(i)));
  try {
    await expect.poll(() => answered).toBeGreaterThan(100);
    stops = true;
    await store.close();
    await Promise.all(writers);
    for (const failure of failures) expect(failure).toMatch(/^No connection established/);
  } finally {
    await client.close();
  }
});
