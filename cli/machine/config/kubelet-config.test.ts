import { expect, test } from "vitest";
import { checkKubeletConfig, kubeletOptions, podsCgroupIn } from "./kubelet-config.ts";

test.each([[undefined, "/kubepods"], ["/", "/kubepods"], ["/a.slice", "/a.slice/kubepods"]])(
  "with the cgroup root %s pods have a group of their own, which reset removes",
  (cgroupRoot, group) => {
    const config = cgroupRoot === undefined ? {} : { cgroupRoot };
    expect(kubeletOptions(config).cgroupRoot).toBe(group);
    expect(podsCgroupIn(JSON.stringify(config))).toBe(group);
  },
);

test.each(["kubepods", "", "/a/../..", 7])("the cgroup root %j is refused", (cgroupRoot) => {
  expect(() => checkKubeletConfig("file", { cgroupRoot })).toThrow("not an absolute path");
});

test.each([undefined, "a: [}", "[]", "cgroupRoot: ..", "cgroupRoot: []"])(
  "with the file %j reset removes the group that pods have by default",
  (text) => expect(podsCgroupIn(text)).toBe("/kubepods"),
);

test.each([
  [{ authentication: { webhook: { enabled: false } } }, "authentication.webhook.enabled false"],
  [{ authentication: { webhook: { cacheTTL: "2m0s" } } }, "authentication.webhook.cacheTTL 2m0s"],
])("%j, which has no effect, is refused by name", (fields, says) => {
  expect(() => checkKubeletConfig("kubelet", fields)).toThrow(says);
});
