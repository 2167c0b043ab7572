import { mkdtemp, rm } from "node:fs/promises";
import { Agent } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStore } from "@raft2kube/store/main.ts";
import { AS_UPSTREAM } from "../../../../testing/apiserver/as-upstream.ts";
import { senderTo } from "../../../../testing/apiserver/send-json.ts";
import { startTestApiserver } from "../../../../testing/apiserver/test-apiserver.ts";
import type { Subject } from "./cases.ts";
import { type Answer, judge } from "./judge.ts";

/** Asks our own apiserver, started for it on the embedded store in this process. */
export async function askOurs(subjects: readonly Subject[]): Promise<ReadonlyMap<string, Answer>> {
  const dir = await mkdtemp(join(tmpdir(), "r2k-answers-"));
  const agent = new Agent({ keepAlive: true });
  const store = await startStore({ dataDir: dir, listenClient: { path: join(dir, "s.sock") } });
  try {
    const api = await startTestApiserver(store.client, { serves: AS_UPSTREAM });
    try {
      return await judge(subjects, await senderTo(api, agent));
    } finally {
      agent.destroy();
      await api.close();
    }
  } finally {
    await store.close();
    await rm(dir, { recursive: true, force: true });
  }
}
