import { MODE_NAMES } from "@raft2kube/proxy/mode-names.ts";
import { expect, test } from "vitest";
import { modeFinding } from "./proxy-mode.ts";

test("a cluster in IPVS mode is refused, with a remedy, where the kernel has no IPVS", () => {
  const finding = modeFinding("ipvs", () => false);
  expect(finding).toMatchObject({
    state: "failed",
    detail: expect.stringContaining("no IPVS") as string,
    remedy: expect.stringMatching(/modprobe ip_vs.*--guest --proxy-mode ipvs/) as string,
  });
  expect(modeFinding("ipvs", () => true).state).toBe("ok");
});

test("the other modes do not need it", () => {
  for (const mode of MODE_NAMES.filter((name) => name !== "ipvs")) {
    expect(modeFinding(mode, () => false)).toEqual({ state: "ok", detail: mode });
  }
});
