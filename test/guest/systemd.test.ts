import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundled } from "../../testing/guest-program.ts";
import { guestsMissing, runGuest, wallLimit_ms } from "./guest.ts";

// Takes turns, what this kernel may lack: the files run programs in a guest for it, here with
// systemd as the first process, in csi.test.ts with file systems that grow while mounted, in
// kubelet-v2.test.ts and test/contract/cri/cgroup-v2.test.ts with cgroup v2 alone, in nfs*.test.ts
// with NFS: from the server of a cluster, from two servers without one, and for snapshots.

const TIMEOUT_MS = 150_000;
const DISK_BYTES = 64 << 20;
/** Services that a machine without people and without its own devices has no use for. */
const MASKED = [
  "console-getty",
  "getty@tty1",
  "systemd-logind",
  "systemd-udevd",
  "systemd-udev-trigger",
  "systemd-update-utmp",
  "systemd-update-utmp-runlevel",
  "systemd-journal-flush",
  "dbus",
];
const missing = guestsMissing() ?? (process.getuid?.() === 0 ? undefined : "needs root");
// Not in /tmp, which guests cover.
const dir = missing === undefined ? mkdtempSync("/var/tmp/r2k-systemd-") : "";
const disk = join(dir, "disk");
let output = "";

/** Boots the machine, whose /etc and logs are on its disk, with systemd as its first process. */
function boot(time: "first" | "second", program: string, agent: string): Promise<string> {
  const unit = [
    "[Service]",
    "Environment=HOME=/root",
    "StandardOutput=tty",
    "StandardError=tty",
    "TTYPath=/dev/console",
    `ExecStart=${program} ${time} ${agent}`,
    "ExecStopPost=poweroff -f",
  ];
  const script = `
    mkdir /disk; mount /dev/ubda /disk; mkdir -p /disk/etc /disk/work /disk/r2k
    mount -t overlay -o lowerdir=/etc,upperdir=/disk/etc,workdir=/disk/work overlay /etc
    mkdir -p /var/lib/r2k; mount --bind /disk/r2k /var/lib/r2k
    cd /etc/systemd/system
    ${time === "first" ? "rm -rf *.wants /etc/fstab; mkdir multi-user.target.wants" : ""}
    for name in ${MASKED.join(" ")}; do ln -sf /dev/null $name.service; done
    printf '%s\\n' ${unit.map((line) => `'${line}'`).join(" ")} > trial.service
    ln -sf ../trial.service multi-user.target.wants/
    exec /lib/systemd/systemd --unit=multi-user.target --show-status=false --log-target=null`;
  const limits = { memory_MiB: 1024, timeout_ms: TIMEOUT_MS };
  return runGuest({ script, modules: [], disks: [disk], ...limits });
}

beforeAll(async () => {
  if (missing !== undefined) return;
  writeFileSync(disk, "");
  truncateSync(disk, DISK_BYTES);
  execFileSync("mkfs.ext4", ["-q", disk]);
  const [program, agent] = [
    await bundled("guest/systemd-in-guest"),
    await bundled("guest/systemd-agent"),
  ];
  output = await boot("first", program, agent);
  output += await boot("second", program, agent);
}, 2 * wallLimit_ms(TIMEOUT_MS));

afterAll(() => {
  if (missing === undefined) rmSync(dir, { recursive: true });
});

/** Returns the report of the program in the guest on a subject. */
function found(subject: string): unknown {
  const line = new RegExp(`^FOUND ${subject} (.*)$`, "m").exec(output)?.[1];
  expect(line, output).toBeDefined();
  return JSON.parse(line!);
}

describe.runIf(missing === undefined)("the node agent of a machine with systemd", () => {
  it("is a service of its own", () => {
    expect(found("started")).toEqual({
      isRunning: true,
      isActive: true,
      isEnabled: "enabled",
      hasSupervisor: false,
      verified: { succeeded: true, output: "" },
    });
  });

  it("is started again when it was killed, and not when it was ended", () => {
    expect(found("killed")).toEqual({ isActive: true });
    expect(found("ended")).toEqual({ isRunning: false, isInstalled: true });
  });

  it("fails with its own message", () => {
    expect(found("failed")).toEqual({
      message: 'machine: no "address" $HOME',
      cause: expect.stringContaining("the log ends with"),
    });
    expect(found("started again")).toEqual({ isRunning: true });
  });

  it("starts with the machine", () => {
    expect(found("started with the machine")).toEqual({ isActive: true });
  });

  it("leaves no service when it is removed", () => {
    expect(found("removed")).toEqual({ isRunning: false, isInstalled: false, isKnown: false });
  });
});
