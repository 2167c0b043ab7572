import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { NamespaceMode } from "@raft2kube/proto/gen/cri.ts";
import { MESSAGE_BYTES_MAX } from "@raft2kube/rpc/limits.ts";
import { QUANTITY_LENGTH_MAX } from "@raft2kube/std/limits.ts";
import { describe, expect, test } from "vitest";
import { checkSysctls } from "../admission/sysctl.ts";
import { POD_METADATA_BYTES_MAX, PODS_MAX } from "../limits.ts";
import { parseResolvConf, podDns } from "./dns.ts";
import { kernelHostname, podNames } from "./hostname.ts";
import { hostsText } from "./hosts-file.ts";
import { sandboxConfig } from "./sandbox-config.ts";

function podOf(spec: Partial<Pod["spec"]> = {}): Pod {
  const metadata = { name: "web-0", namespace: "n", uid: "u" };
  return { metadata, spec: { containers: [], ...spec } };
}

const HOST = parseResolvConf(
  "# comment\nnameserver 9.9.9.9\nsearch corp.example .\noptions rotate",
);
const MAPPING = { containerId: 0, hostId: 65_536, length: 65_536 };
const USERS = { mode: NamespaceMode.POD, uids: [MAPPING], gids: [MAPPING] };
const CLUSTER = { servers: ["10.96.0.10"], domain: "cluster.local" };

describe("name resolution", () => {
  const domains = ["n.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"];
  const inCluster = { servers: ["10.96.0.10"], searches: domains, options: ["ndots:5"] };

  test.each<[string, Partial<Pod["spec"]>, object]>([
    ["the cluster's by default", {}, inCluster],
    ["the node's on the node's network", { hostNetwork: true }, HOST],
    [
      "the cluster's there when asked for",
      { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" },
      inCluster,
    ],
    ["the node's by policy", { dnsPolicy: "Default" }, HOST],
    [
      "the pod's own alone",
      { dnsPolicy: "None", dnsConfig: { nameservers: ["1.2.3.4"], options: [{ name: "edns0" }] } },
      { servers: ["1.2.3.4"], searches: [], options: ["edns0"] },
    ],
    [
      "the pod's own on top",
      { dnsConfig: { options: [{ name: "ndots", value: "2" }] } },
      { ...inCluster, options: ["ndots:2"] },
    ],
  ])("%s", (_, spec, expected) => expect(podDns(podOf(spec), HOST, CLUSTER)).toEqual(expected));
});

describe("names", () => {
  const names = (spec: Partial<Pod["spec"]>) => podNames(podOf(spec), "cluster.local");

  test("hostname and subdomain make the full name", () => {
    expect(names({})).toEqual({ hostname: "web-0", domain: "" });
    const full = names({ hostname: "one", subdomain: "web" });
    expect(full).toEqual({ hostname: "one", domain: "web.n.svc.cluster.local" });
    expect(kernelHostname(podOf({ setHostnameAsFQDN: true }), full)).toBe(
      "one.web.n.svc.cluster.local",
    );
  });

  test("a full name that the kernel does not take is refused", () => {
    const pod = podOf({ setHostnameAsFQDN: true });
    const named = (length: number) => ({ hostname: "x".repeat(length), domain: "web.n.svc.local" });
    expect(kernelHostname(pod, named(48))).toHaveLength(64);
    expect(() => kernelHostname(pod, named(49))).toThrow(/too long \(64 characters is the max, 65/);
    expect(kernelHostname(podOf(), named(49))).toBe("x".repeat(49));
  });

  test("a long name is cut to what the kernel takes", () => {
    const pod = podOf();
    pod.metadata.name = `${"x".repeat(62)}-y`;
    expect(podNames(pod, "").hostname).toBe("x".repeat(62));
  });

  test("the hosts file has the pod's names and aliases", () => {
    const pod = podOf({ hostAliases: [{ ip: "10.1.2.3", hostnames: ["a", "b"] }] });
    const text = hostsText(pod, ["10.1.0.5"], names({ subdomain: "web" }), "");
    expect(text).toContain("10.1.0.5\tweb-0.web.n.svc.cluster.local\tweb-0\n");
    expect(text).toContain("10.1.2.3\ta\tb\n");
  });

  test("on the node's network it begins with the node's own", () => {
    const text = hostsText(podOf({ hostNetwork: true }), [], names({}), "1.1.1.1 node");
    expect(text).toContain("1.1.1.1 node\n");
    expect(text).not.toContain("web-0");
  });
});

describe("sandbox configuration", () => {
  const node = {
    paths: { rootDir: "/k", podLogsDir: "/logs", containerLogsDir: undefined },
    cgroupRoot: "/r2k/c",
    clusterDns: CLUSTER,
    hostResolver: HOST,
    seccomp: { root: "/k/seccomp", byDefault: false },
    users: { of: ({ spec }: Pod) => (spec.hostUsers === false ? USERS : undefined) },
  };

  test("names the pod, its logs and its cgroup", () => {
    const config = sandboxConfig(podOf(), 2, node);
    expect(config).toMatchObject({
      metadata: { name: "web-0", namespace: "n", uid: "u", attempt: 2 },
      hostname: "web-0",
      logDirectory: "/logs/n_web-0_u",
      linux: { cgroupParent: "/r2k/c/besteffort/podu" },
    });
  });

  test("maps ports only in a network of its own", () => {
    const containers = [{ name: "c", ports: [{ containerPort: 80, hostPort: 8080 }] }];
    expect(sandboxConfig(podOf({ containers }), 0, node).portMappings).toEqual([
      { protocol: 0, containerPort: 80, hostPort: 8080, hostIp: "" },
    ]);
    const host = sandboxConfig(podOf({ containers, hostNetwork: true }), 0, node);
    expect(host).toMatchObject({ portMappings: [], hostname: "" });
  });

  test("has the pod's labels and annotations unless those of all pods would fill a message", () => {
    const labels = { "io.kubernetes.pod.uid": "another", a: "b" };
    const config = (text: string) => {
      const pod = podOf();
      pod.metadata = { ...pod.metadata, labels, annotations: { text } };
      return sandboxConfig(pod, 0, node);
    };
    const own = {
      "io.kubernetes.pod.name": "web-0",
      "io.kubernetes.pod.namespace": "n",
      "io.kubernetes.pod.uid": "u",
    };
    expect(config("short")).toMatchObject({
      labels: { a: "b", ...own },
      annotations: { text: "short" },
    });
    const long = config("x".repeat(POD_METADATA_BYTES_MAX));
    expect([long.labels, long.annotations]).toEqual([own, {}]);
    const bounded = podOf();
    const text = "x".repeat(POD_METADATA_BYTES_MAX);
    const [inbound, outbound] = [
      "kubernetes.io/ingress-bandwidth",
      "kubernetes.io/egress-bandwidth",
    ];
    const clocks = { "run.oci.timens_offset": "boottime 86400 0" };
    bounded.metadata = {
      ...bounded.metadata,
      annotations: { text, ...clocks, [inbound]: "1M", [outbound]: `1${text}` },
    };
    expect(sandboxConfig(bounded, 0, node).annotations).toEqual({
      ...clocks,
      [inbound]: "1M",
      [outbound]: `1${text}`.slice(0, QUANTITY_LENGTH_MAX + 1),
    });
    // Of three sandboxes that each pod may have left.
    expect(3 * PODS_MAX * POD_METADATA_BYTES_MAX).toBeLessThan(MESSAGE_BYTES_MAX);
  });

  test("has the user namespace of a pod with hostUsers: false", () => {
    const usersOf = (spec: Partial<Pod["spec"]>) => {
      return sandboxConfig(podOf(spec), 0, node).linux?.securityContext?.namespaceOptions;
    };
    expect(usersOf({ hostUsers: false })).toHaveProperty("usernsOptions", USERS);
    expect(usersOf({})).not.toHaveProperty("usernsOptions");
  });

  test.each([
    ["kernel.msgmax", {}],
    ["net.ipv4.ip_local_port_range", { hostNetwork: true }],
  ])("the sysctl %s is refused", (name, spec) => {
    const pod = podOf({ ...spec, securityContext: { sysctls: [{ name, value: "1" }] } });
    expect(() => checkSysctls(pod)).toThrow(`forbidden sysctl: "${name}"`);
  });
});
