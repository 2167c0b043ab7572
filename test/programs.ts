import { rmSync, writeFileSync } from "node:fs";
import { isErrno } from "@raft2kube/std/errors.ts";
import { INGRESS_PROGRAMS, installMissing, PROGRAMS } from "../cli/preflight/programs.ts";

const test = (name: string, debianPackage: string, purpose: string) => {
  return { name, debianPackage, purpose };
};

/** Programs of others that the tests compare our parts with, beside those that a cluster needs. */
const TEST_PROGRAMS = [
  ...PROGRAMS,
  ...INGRESS_PROGRAMS,
  test("etcd", "etcd-server", "is the store's peer"),
  test("etcdctl", "etcd-client", "drives the store"),
  test("/usr/lib/cni/bridge", "containernetworking-plugins", "is the CNI plugins' peer"),
  test("containerd", "containerd", "is the runtime's peer"),
  test("docker-registry", "docker-registry", "is a registry to pull from"),
  test("skopeo", "skopeo", "copies images"),
  test("umoci", "umoci", "builds images"),
  test("strace", "strace", "shows system calls"),
  test("conntrack", "conntrack", "shows connections"),
  test("dig", "bind9-dnsutils", "asks the DNS"),
  test("iptables-save", "iptables", "shows the host's rules"),
  test("runc", "runc", "is the other OCI runtime that ours drives"),
  test("runsc", "runsc", "is a runtime whose containers have its own kernel"),
  test("curl", "curl", "asks Services"),
  test("openssl", "openssl", "judges certificates"),
  test("setpriv", "util-linux", "becomes an ordinary user"),
  test("script", "bsdutils", "is a terminal"),
  test("ss", "iproute2", "shows sockets"),
  test("ipvsadm", "ipvsadm", "shows IPVS's servers"),
  test("tcpdump", "tcpdump", "shows packets"),
  test("sysctl", "procps", "shows the kernel's settings"),
  test("faketime", "faketime", "steps a process's wall clock"),
  test("chromium", "chromium", "shows the labs' pages"),
  test("linux.uml", "user-mode-linux", "boots guests"),
  test("/lib/systemd/systemd", "systemd", "is a guest's first process"),
  test("ganesha.nfsd", "nfs-ganesha-vfs", "is an NFS server in user space"),
];

/** The script that Debian runs before it starts a package's service (invoke-rc.d(8)). */
const SERVICE_POLICY = "/usr/sbin/policy-rc.d";
/** invoke-rc.d's word for "not allowed". */
const FORBIDDEN = 101;
const INTERRUPTS = ["SIGINT", "SIGTERM"] as const;

/**
 * Installs what is missing, as root on Debian; elsewhere the groups that need it say so. Some of
 * the packages are servers: they are wanted as programs, and are not started as services.
 */
export function installTestPrograms(notice: (line: string) => void): Promise<void> {
  return installMissing(notice, TEST_PROGRAMS, withoutServices);
}

/** Runs `install` under a policy that forbids services; one that is there already stays. */
async function withoutServices<T>(install: () => Promise<T>): Promise<T> {
  const own = writePolicy();
  // Ctrl-C reaches apt-get too, and ends it: this process stays for what is to be done after.
  const stay = () => undefined;
  for (const signal of INTERRUPTS) process.on(signal, stay);
  try {
    return await install();
  } finally {
    for (const signal of INTERRUPTS) process.off(signal, stay);
    if (own) rmSync(SERVICE_POLICY);
  }
}

/** Whether the policy is ours to take away again. */
function writePolicy(): boolean {
  try {
    writeFileSync(SERVICE_POLICY, `#!/bin/sh\nexit ${FORBIDDEN}\n`, { flag: "wx", mode: 0o755 });
    return true;
  } catch (thrown) {
    if (isErrno(thrown, "EEXIST")) return false;
    throw thrown;
  }
}
