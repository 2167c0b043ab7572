import { PROGRAMS, installMissing } from "../cli/preflight/programs.ts";

const test = (name: string, debianPackage: string, purpose: string) => {
  return { name, debianPackage, purpose };
};

/** What others wrote and the tests hold our parts against, beside what a cluster needs itself. */
const TEST_PROGRAMS = [
  ...PROGRAMS,
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
  test("curl", "curl", "asks Services"),
  test("openssl", "openssl", "judges certificates"),
  test("setpriv", "util-linux", "becomes an ordinary user"),
  test("script", "bsdutils", "is a terminal"),
  test("ss", "iproute2", "shows sockets"),
  test("sysctl", "procps", "shows the kernel's settings"),
  test("faketime", "faketime", "steps a process's wall clock"),
  test("linux.uml", "user-mode-linux", "boots guests"),
];

/** Installs what is missing, as root on Debian; elsewhere the groups that need it say so. */
export function installTestPrograms(notice: (line: string) => void): Promise<void> {
  return installMissing(notice, TEST_PROGRAMS);
}
