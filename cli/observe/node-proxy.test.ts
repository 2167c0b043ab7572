import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ProxyState } from "@raft2kube/proxy/main.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { startNodeControl } from "../process/node-control.ts";
import { planCluster } from "../spec/config.ts";
import { nodePaths } from "../spec/paths.ts";
import { askProxy, rulesApplied } from "./node-proxy.ts";

test("a node's process says by its socket when its proxy has applied the rules", async () => {
  const dir = testFolder("r2k-control-");
  const roots = { data: join(dir, "data"), run: join(dir, "run") };
  const node = await planCluster("one", roots, {}, []);
  const { sockets, controlSocket } = nodePaths(node);
  mkdirSync(sockets, { recursive: true });
  await expect(askProxy(node)).rejects.toMatchObject({ code: "ENOENT" });
  const failed = (failures: number, isApplied = false): ProxyState => ({
    mode: "iptables",
    isApplied,
    failures,
    error: `refused ${failures}`,
  });
  let states: ProxyState[] = [];
  const state = () => (states.length > 1 ? states.shift()! : states[0]!);
  const images = new ImageStore(join(dir, "images"), () => []);
  const control = await startNodeControl(controlSocket, images, { state });
  const context = { clock: systemClock(), signal: new AbortController().signal };
  states = [failed(0), failed(1), { mode: "iptables", isApplied: true, failures: 0 }];
  await rulesApplied(node, "iptables", context);
  await expect(rulesApplied(node, "ipvs", context)).rejects.toMatchObject({
    code: "RULES",
    message: "its process runs in mode iptables",
  });
  states = [failed(1), failed(2), failed(3), failed(4), failed(5)];
  await expect(rulesApplied(node, "iptables", context)).rejects.toMatchObject({
    code: "RULES",
    message: "refused 4",
  });
  states = [1, 2, 3, 4, 5].map((failures) => failed(failures, true));
  await expect(rulesApplied(node, "iptables", context)).rejects.toMatchObject({
    code: "RULES",
    message: "refused 4",
  });
  states = [failed(1, true), { mode: "iptables", isApplied: true, failures: 0 }];
  await rulesApplied(node, "iptables", context);
  expect(states).toHaveLength(1);
  await control.close();
});
