import { mkdtempDisposableSync, writeFileSync } from "node:fs";
import path from "node:path";
import { SecurityProfile_ProfileType as ProfileType } from "@raft2kube/proto/gen/cri.ts";
import { expect, test } from "vitest";
import { seccompFor } from "./seccomp.ts";

test("a profile in docker's form allows what is for this machine and these capabilities", () => {
  using folder = mkdtempDisposableSync("/tmp/seccomp-");
  const file = path.join(folder.path, "profile.json");
  const call = (name: string, when: object) => {
    return { names: [name], action: "SCMP_ACT_ALLOW", ...when };
  };
  const native = process.arch === "x64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64";
  const profile = {
    defaultAction: "SCMP_ACT_ERRNO",
    archMap: [
      { architecture: "SCMP_ARCH_MIPS", subArchitectures: [] },
      { architecture: native, subArchitectures: ["SCMP_ARCH_X86"] },
    ],
    syscalls: [
      call("read", {}),
      call("mount", { includes: { caps: ["CAP_SYS_ADMIN"] } }),
      call("chroot", { includes: { caps: ["CAP_SYS_CHROOT"] } }),
      call("clone", { excludes: { caps: ["CAP_SYS_CHROOT"] } }),
      call("s390", { includes: { arches: ["s390x"] } }),
      call("ptrace", { includes: { minKernel: "4.8" } }),
      call("later", { includes: { minKernel: "999.0" } }),
    ],
  };
  writeFileSync(file, JSON.stringify(profile));
  const wanted = { profileType: ProfileType.Localhost, localhostRef: file };
  const options = { privileged: false, capabilities: ["CAP_SYS_CHROOT"] };
  expect(seccompFor(wanted, options)).toEqual({
    defaultAction: "SCMP_ACT_ERRNO",
    architectures: [native, "SCMP_ARCH_X86"],
    syscalls: ["read", "chroot", "ptrace"].map((name) => call(name, {})),
  });
});
