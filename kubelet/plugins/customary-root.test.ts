import { expect, test } from "vitest";
import { CUSTOMARY_ROOT, fromCustomary, toCustomary } from "./customary-root.ts";

const ROOT = "/data/node-2/kubelet";

test.each([
  [CUSTOMARY_ROOT, ROOT],
  [`${CUSTOMARY_ROOT}/plugins/d/csi.sock`, `${ROOT}/plugins/d/csi.sock`],
])("%s is %s of the node", (customary, own) => {
  expect(fromCustomary(customary, ROOT)).toBe(own);
  expect(toCustomary(own, ROOT)).toBe(customary);
});

const OTHERS = ["/var/lib", "/var/lib/kubelet2/x", "/csi/csi.sock", "/"];
test.each(OTHERS)("%s is no other path", (path) => {
  expect(fromCustomary(path, ROOT)).toBe(path);
  expect(toCustomary(path, ROOT)).toBe(path);
});
