import { KubeError } from "@raft2kube/client-kube/errors.ts";
import type { KubeRequest } from "@raft2kube/client-kube/rest/request.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { expect, test } from "vitest";
import { NODE_GONE_MS, POD_GC_MS } from "../limits.ts";
import { loopContext } from "../testing/loop-context.ts";
import { podOf } from "../testing/objects.ts";
import { startPodGc } from "./podgc.ts";

test("pods and nodes after one that fails are looked at", async () => {
  const pods = [
    podOf("held", { node: "gone" }),
    podOf("free", { node: "gone" }),
    podOf("kept", { node: "unknown" }),
    podOf("late", { node: "lost" }),
  ];
  const deleted: string[] = [];
  const answer = ({ method, path }: KubeRequest) => {
    if (path.endsWith("/nodes/unknown")) throw new KubeError({ code: 500 });
    if (method === "GET") throw new KubeError({ code: 404 });
    if (path.includes("/pods/held")) throw new KubeError({ code: 403 });
    if (method === "DELETE") deleted.push(path.split("/").at(-1)!);
    return {};
  };
  const { context, clock } = loopContext({ pods }, answer);
  const running = startPodGc(context);
  const look = () => {
    clock.advance(NODE_GONE_MS + POD_GC_MS);
    return deleted.length >= 2;
  };
  await waitFor("two pods to go", look, { clock: systemClock(), interval_ms: 1 });
  expect(new Set(deleted)).toEqual(new Set(["free", "late"]));
  await running.close();
});
