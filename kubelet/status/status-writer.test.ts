import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { STATUS_WRITES_MAX, STATUS_WRITES_OF_NAMESPACE_MAX } from "../limits.ts";
import { StatusWriter } from "./status-writer.ts";

const clock = systemClock();

/** A writer to an API that answers once it is `open`, the namespaces and options of its writes. */
function writerOf() {
  const written: string[] = [];
  const options: unknown[] = [];
  const open = Promise.withResolvers<void>();
  const pods = {
    async patch({ namespace }: { namespace: string }, _type: string, _patch: object, how: object) {
      written.push(namespace);
      options.push(how);
      await open.promise;
      return { metadata: { resourceVersion: "1" } };
    },
  } as unknown as ResourceClient<Pod>;
  const writer = new StatusWriter({ pods, clock, objectOf: (pod) => pod });
  const publish = (namespace: string, name: string) => {
    const metadata = { namespace, name, uid: `${namespace}-${name}`, resourceVersion: "1" };
    writer.publish({ metadata, spec: { containers: [] } }, { phase: "Failed" });
  };
  return { writer, publish, written, options, open: () => open.resolve() };
}

test("the statuses of thousands of pods of one namespace delay no other's, nor the lease", async () => {
  const { writer, publish, written, open } = writerOf();
  for (let i = 0; i < 3_000; i++) publish("many", `p${i}`);
  publish("few", "p");
  // Beside those of the first, of which none has been answered.
  await waitFor("the other namespace's", () => written.includes("few"));
  expect(written).toHaveLength(STATUS_WRITES_OF_NAMESPACE_MAX + 1);
  open();
  await waitFor("the others", () => written.length > STATUS_WRITES_MAX);
  writer.close();
});

test("the answer to a status has no object: that is as large as its author made it", async () => {
  const { writer, publish, options } = writerOf();
  publish("n", "p");
  await waitFor("the write", () => options.length > 0);
  expect(options).toEqual([{ metadataOnly: true }]);
  writer.close();
});

test("a pod whose status is too large to be written can be deleted", async () => {
  const patched: string[] = [];
  const deleted = Promise.withResolvers<void>();
  const pods = {
    patch({ name }: { name: string }) {
      patched.push(name);
      return Promise.reject(new KubeError({ code: 413, reason: "RequestEntityTooLarge" }));
    },
    delete: () => Promise.resolve(deleted.resolve()),
  } as unknown as ResourceClient<Pod>;
  const writer = new StatusWriter({ pods, clock, objectOf: (pod) => pod });
  const metadata = { namespace: "n", name: "p", uid: "u", resourceVersion: "1" };
  writer.remove({ metadata, spec: { containers: [] } }, { phase: "Failed" });
  await deleted.promise;
  expect(patched).toEqual(["p"]);
  writer.close();
});

test("statuses that wait when the writer is closed are not written", async () => {
  const { writer, publish, written, open } = writerOf();
  for (let i = 0; i < 2 * STATUS_WRITES_MAX; i++) publish(`n${i}`, "p");
  await waitFor("the first writes", () => written.length === STATUS_WRITES_MAX);
  writer.close();
  open();
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
  expect(written).toHaveLength(STATUS_WRITES_MAX);
});
