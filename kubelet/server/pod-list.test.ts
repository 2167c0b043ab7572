import { Writable } from "node:stream";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { podListParts, sendPodList } from "./pod-list.ts";

const podOf = (name: string): Pod => ({ metadata: { name }, spec: { containers: [] } });

test.each([0, 1, 3])("a list of %s pods is made pod by pod", (count) => {
  const names = Array.from({ length: count }, (_, at) => `p${at}`);
  let made = 0;
  const parts = podListParts(names, (name) => {
    made++;
    return podOf(name);
  });
  let text = "";
  for (let at = 0; at <= count; at++) {
    expect(made).toBe(Math.max(0, at - 1));
    text += parts.next().value as string;
  }
  expect(made).toBe(count);
  for (const part of parts) text += part;
  expect(JSON.parse(text)).toEqual({
    kind: "PodList",
    apiVersion: "v1",
    metadata: {},
    items: names.map(podOf),
  });
});

test("a client that hangs up is not an error, a pod that cannot be made is one", async () => {
  const response = new Writable({ write: () => response.destroy() });
  await sendPodList(["a", "b"], podOf, response);
  const fails = () => {
    throw new RangeError("no pod");
  };
  const other = new Writable({ write: (_chunk, _encoding, done) => done() });
  await expect(sendPodList(["a"], fails, other)).rejects.toThrow("no pod");
});
