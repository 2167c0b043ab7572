import { join } from "node:path";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type PodSandbox,
  PodSandboxState,
  RuntimeService,
  type RuntimeServiceMethods,
} from "@raft2kube/proto/gen/cri.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { MESSAGE_BYTES_MAX } from "@raft2kube/rpc/limits.ts";
import { type Handlers, serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { POD_METADATA_BYTES_MAX } from "../limits.ts";
import { heldRanges } from "../sandbox/held-ranges.ts";
import { everySandbox } from "./every.ts";
import { connectRuntime, isUnimplemented } from "./runtime.ts";

async function start(handlers: Handlers<RuntimeServiceMethods>) {
  const path = join(testFolder("r2k-every-"), "cri.sock");
  const server = await serveGrpc({ listen: { path }, services: [serve(RuntimeService, handlers)] });
  const runtime = connectRuntime(`unix://${path}`);
  return {
    ...runtime,
    async [Symbol.asyncDispose]() {
      runtime.close();
      await server.close();
    },
  };
}

const sandbox = (id: string): Init<PodSandbox> => ({
  id,
  state: PodSandboxState.SANDBOX_NOTREADY,
  annotations: { text: "x".repeat(POD_METADATA_BYTES_MAX) },
});

test("what thousands of ended pods left is more than a message, and keeps no kubelet from starting", async () => {
  const count = Math.ceil(MESSAGE_BYTES_MAX / POD_METADATA_BYTES_MAX);
  const all = Array.from({ length: count }, (_, at) => sandbox(`s${at}`));
  await using held = await start({
    listPodSandbox: () => Promise.resolve({ items: all }),
    listContainers: () => Promise.resolve({ containers: [] }),
    async *streamPodSandboxes() {
      const half = count / 2;
      for (const at of [0, half]) yield { podSandboxes: all.slice(at, at + half) };
    },
    async *streamContainers() {
      yield { containers: [] };
    },
  });
  await expect(held.runtime.listPodSandbox({})).rejects.toThrow(`${MESSAGE_BYTES_MAX}`);
  await expect(heldRanges(held.runtime)).resolves.toEqual([]);
  let seen = 0;
  for await (const each of everySandbox(held.runtime)) if (each.id !== "") seen++;
  expect(seen).toBe(count);
});

test("of a runtime without streams all are listed", async () => {
  await using old = await start({ listPodSandbox: async () => ({ items: [sandbox("one")] }) });
  const ids: string[] = [];
  for await (const { id } of everySandbox(old.runtime)) ids.push(id);
  expect(ids).toEqual(["one"]);
});

test("a call that containerd 2.2 has not, and names with another status, is one not offered", () => {
  const containerd = new RpcError(Status.UNKNOWN, "failed to update sandbox: not implemented yet");
  expect(isUnimplemented(containerd)).toBe(true);
  expect(isUnimplemented(new RpcError(Status.UNKNOWN, "sandbox s is broken"))).toBe(false);
});
