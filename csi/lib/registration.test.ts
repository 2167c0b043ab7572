import { writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { Registration } from "@raft2kube/proto/gen/pluginregistration.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { serveRegistration } from "./registration.ts";

it("a driver starts on a disk without inodes, and registers when one is free", async () => {
  const registrationDir = testFolder("r2k-reg-");
  mount({ source: "none", target: registrationDir, type: "tmpfs", data: "nr_inodes=2" });
  const file = join(registrationDir, "of-a-pod");
  writeFileSync(file, "");
  const served = await serveRegistration({ registrationDir, driverName: "d", socket: "/s" });
  const channel = connectGrpc(`unix://${join(registrationDir, "d-reg.sock")}`);
  try {
    const info = () => client(channel, Registration).getInfo({});
    await expect(info()).rejects.toThrow();
    await rm(file);
    const { name } = await waitFor("the registration", () => info().catch(() => undefined));
    expect(name).toBe("d");
  } finally {
    channel.close();
    await served.close();
    unmount(registrationDir);
  }
});
