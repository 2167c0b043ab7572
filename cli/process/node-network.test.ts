import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadNetwork } from "@raft2kube/cni/lib/conflist.ts";
import { expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { writeNodeNetwork } from "./node-network.ts";

it("replaces the network configuration atomically", async () => {
  const dir = testFolder("r2k-network-");
  const paths = { cniConfDir: join(dir, "net.d"), cniAddresses: join(dir, "addresses") };
  await writeNodeNetwork(paths, "10.244.0.0/24");
  const [file = ""] = readdirSync(paths.cniConfDir);
  const reader = openSync(join(paths.cniConfDir, file), "r");
  await writeNodeNetwork(paths, "10.244.1.0/24");
  expect(readFileSync(reader, "utf8")).toContain("10.244.0.0/24");
  closeSync(reader);
  expect(JSON.stringify(await loadNetwork(paths.cniConfDir))).toContain("10.244.1.0/24");
  expect(readdirSync(paths.cniConfDir)).toEqual([file]);
});

it("enables the spoof check, or logs that the kernel does not support it", async () => {
  const dir = testFolder("r2k-network-");
  const paths = { cniConfDir: join(dir, "net.d"), cniAddresses: join(dir, "addresses") };
  const { PATH } = process.env;
  try {
    process.env["PATH"] = dir; // no nft
    await writeNodeNetwork(paths, "10.244.0.0/24");
    expect(JSON.stringify(await loadNetwork(paths.cniConfDir))).toContain('"ipspoofchk":false');
  } finally {
    process.env["PATH"] = PATH;
  }
});
