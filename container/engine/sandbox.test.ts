import { expect, test } from "vitest";
import { hostsWith } from "./sandbox.ts";

test("names in hosts are replaced, not added to: an old address is no answer", () => {
  const kubelet = "127.0.0.1\tlocalhost\n";
  const first = hostsWith(kubelet, "10.188.0.2\ta\n");
  expect(hostsWith(first, "10.188.0.3\ta\n")).toBe(`${kubelet}# r2k container\n10.188.0.3\ta\n`);
});
