import { expect, test } from "vitest";
import { nodeFlagsText, parseNodeFlags } from "./node-flags.ts";

test("flags that are written are read", () => {
  const text = nodeFlagsText([
    { name: "node-ip", value: "10.0.0.9" },
    { name: "node-labels", value: "a=b,c=,d" },
    { name: "node-ip", value: "10.0.0.1" },
  ]);
  expect(parseNodeFlags(text)).toMatchObject({
    nodeIp: "10.0.0.1",
    nodeLabels: { a: "b", c: "", d: "" },
  });
  expect(parseNodeFlags("")).toMatchObject({ nodeLabels: {} });
});

test.each(['a"', "a --node-ip=10.0.0.2", "a\nb"])("the value %j is refused", (value) => {
  expect(() => nodeFlagsText([{ name: "node-labels", value }])).toThrow("has a quote or a space");
});

test.each(['KUBELET_KUBEADM_ARGS="--node-ip=1 "--node-labels=a=b"\n', "OTHER=1\n"])(
  "the file %j is refused",
  (text) => expect(() => parseNodeFlags(text)).toThrow("is not one line"),
);
