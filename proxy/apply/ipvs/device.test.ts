import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { createVeth, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import { createNamespaces } from "../../../testing/network/namespaces.ts";
import { ensureDevice, hasDevice } from "./device.ts";
import { DEVICE } from "./layout.ts";

describe.runIf(process.getuid?.() === 0)("the device of the Services' addresses", () => {
  test("is refused where another program has its name, with what removes a proxy's", () => {
    const namespaces = createNamespaces("r2k-ipvsdevice-");
    onTestFinished(() => namespaces.close());
    enterNetns(namespaces.add("node"));
    using route = openRoute();
    createVeth(route, { name: DEVICE }, { name: "other" });
    expect(() => ensureDevice("")).toThrow(
      expect.objectContaining({
        code: "EEXIST",
        remedy: expect.stringContaining("ipvsadm --clear") as string,
      }),
    );
    expect(hasDevice()).toBe(false);
  });
});
