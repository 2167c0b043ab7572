import { isIPv4 } from "node:net";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { CniError } from "@raft2kube/cni/lib/errors.ts";
import { includes, ipv4Subnet } from "@raft2kube/cni/lib/subnet.ts";
import { parseSubnetEnv } from "@raft2kube/cni/lib/subnet-env.ts";
import { parseNetConf } from "@raft2kube/overlay/net-conf.ts";
import { planOverlay } from "@raft2kube/overlay/plan.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { pick } from "@raft2kube/std/random.ts";
import { mutateJson } from "../mutate-json.ts";
import type { Target } from "../target.ts";

const NET_CONF = '{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}';
const SUBNET_ENV =
  "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\n" +
  "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
const INPUTS = [
  {
    podCidr: "10.244.2.0/24",
    managed: "true",
    backend: "vxlan",
    ip: "192.0.2.2",
    data: '{"VNI":1,"VtepMAC":"02:00:00:00:00:02"}',
    env: SUBNET_ENV,
  },
  {
    podCidr: "10.0.0.0/8",
    managed: "true",
    backend: "vxlan",
    ip: "10.244.1.7",
    data: '{"VtepMAC":"00:00:00:00:00:00"}',
    env: "",
  },
  { podCidr: "fd00::/64", managed: "", backend: "host-gw", ip: "::1", data: "null", env: "=" },
];

const conf = parseNetConf(NET_CONF, "fuzz");
const subnet = ipv4Subnet("10.244.1.0/24")!;
const underlay = { index: 2, name: "eth0", mtu: 1500, address: "192.0.2.1", connected: [] };
const own = { conf, nodeName: "own", subnet, mac: "02:00:00:00:00:01", underlay };

/**
 * Annotations that another node's kubelet can write into its Node, and the content of subnet.env.
 */
export const overlayNode: Target = {
  name: "overlay-node",
  corpus: async () => INPUTS.map((input) => Buffer.from(JSON.stringify(input))),
  seal: (_bytes, random) => Buffer.from(JSON.stringify(mutateJson(pick(random, INPUTS), random))),
  async read(bytes) {
    const input = textsOf(bytes);
    const { routes, forwarding } = planOverlay({ ...own, nodes: [nodeOf(input)] });
    for (const { to } of routes) {
      const range = ipv4Subnet(to);
      assert(range && includes(conf.network, range) && to !== "10.244.1.0/24", `a route to ${to}`);
    }
    for (const { mac, address } of forwarding) {
      assert(/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(mac), `frames to ${mac}`);
      assert(isIPv4(address) && address !== underlay.address, `frames to ${address}`);
    }
    try {
      parseSubnetEnv(input["env"] ?? "", "fuzz");
    } catch (thrown) {
      if (!(thrown instanceof CniError && thrown.code === "not-available")) throw thrown;
      return "refused";
    }
    return routes.length > 0 ? "taken" : "refused";
  },
};

/** The API has texts alone in these places. */
function textsOf(bytes: Buffer): Record<string, string> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString());
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    parsed = { data: bytes.toString(), env: bytes.toString() };
  }
  const entries = Object.entries((parsed ?? {}) as object);
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      `${JSON.stringify(value)}`
        .replace(/^"|"$/g, "")
        .replaceAll('\\"', '"')
        .replaceAll("\\n", "\n"),
    ]),
  );
}

function nodeOf({ podCidr = "", managed = "", backend = "", ip = "", data = "" }): Node {
  const prefix = "flannel.alpha.coreos.com/";
  return {
    metadata: {
      name: "other",
      annotations: {
        [`${prefix}kube-subnet-manager`]: managed,
        [`${prefix}backend-type`]: backend,
        [`${prefix}public-ip`]: ip,
        [`${prefix}backend-data`]: data,
      },
    },
    spec: { podCIDR: podCidr },
  };
}
