import { expect, test } from "vitest";
import { CUSTOMARY_ROOT, fromCustomary, ownPath, toCustomary } from "./customary-root.ts";

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

test.each([
  ["/var/lib/kubelet/pods/a", "/data/kubelet/pods/a"],
  ["/var/log/pods", "/data/log/pods"],
  ["/var/log/pods/a", "/data/log/pods/a"],
  ["/var/log/containers/", "/data/log/containers/"],
  ["/var/log", "/data/log"],
  ["/var/log/", "/data/log"],
  ["/var/log/journal", "/var/log/journal"],
  ["/", "/"],
])("a hostPath of %s is %s on the node", (path, own) => {
  const folders = { podLogsDir: "/data/log/pods", containerLogsDir: "/data/log/containers" };
  expect(ownPath(path, { rootDir: "/data/kubelet", ...folders })).toBe(own);
});

test("without links beside the logs of pods, /var/log is the host's", () => {
  const own = { rootDir: "/data/kubelet", podLogsDir: "/data/log/pods" };
  expect(ownPath("/var/log", own)).toBe("/var/log");
  expect(ownPath("/var/log/containers", own)).toBe("/var/log/containers");
});
