import {
  allocationOf,
  type Gpus,
  preferPacked,
  sharesOf,
} from "@raft2kube/device/plugins/gpu/gpu.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { check } from "../check.ts";
import { clauses, number, text, words } from "../clauses.ts";
import { judge } from "../judge.ts";
import { isUnwritten } from "../must.ts";

const NODE: Gpus = {
  gpus: [
    { id: "gpu-0", memory_mib: 16_384, numaNode: 0 },
    { id: "gpu-1", memory_mib: 8_192, numaNode: 1 },
  ],
  shares: 4,
  devicePath: "/dev/null",
};
const TWO: Gpus = { ...NODE, shares: 2 };
const NONE = new Set<string>();

function shown(node: Gpus, unhealthy: ReadonlySet<string>): string {
  const devices = sharesOf(node, unhealthy).map(({ ID, health, topology }) => {
    return `${ID} ${health} on node ${topology?.nodes?.map((each) => each.ID).join()}`;
  });
  return devices.join(", ") || "no devices";
}

check("gpu: each GPU is offered in its shares, with its NUMA node", () => {
  const expected =
    "gpu-0::0 Healthy on node 0, gpu-0::1 Healthy on node 0, " +
    "gpu-1::0 Healthy on node 1, gpu-1::1 Healthy on node 1";
  const happened = shown(TWO, NONE);
  judge(happened === expected, {
    when: "two GPUs, on the NUMA nodes 0 and 1, are offered in two shares each",
    expected,
    happened,
    why: "the kubelet counts devices: two containers share a GPU because it is listed twice",
  });
});

check("gpu: all shares of an unhealthy GPU are unhealthy, and stay in the list", () => {
  const expected =
    "gpu-0::0 Healthy on node 0, gpu-0::1 Healthy on node 0, " +
    "gpu-1::0 Unhealthy on node 1, gpu-1::1 Unhealthy on node 1";
  const happened = shown(TWO, new Set(["gpu-1"]));
  judge(happened === expected, {
    when: "gpu-1 of two is unhealthy",
    expected,
    happened,
    why: "a Node's capacity counts listed devices, allocatable the healthy: a repair is not growth",
  });
});

/** GPUs that are listed by another order than their ids', with memory that 3 does not divide. */
const ODD: Gpus = {
  gpus: [
    { id: "gpu-1", memory_mib: 1_000, numaNode: 0 },
    { id: "gpu-0", memory_mib: 2_000, numaNode: 0 },
  ],
  shares: 3,
  devicePath: "/dev/zero",
};

/** GPUs whose ids another order than that of the text would sort by their numbers. */
const MANY: Gpus = {
  ...NODE,
  gpus: ["gpu-2", "gpu-10"].map((id) => ({ id, memory_mib: 4_000, numaNode: 0 })),
};

const NODES: Readonly<Record<string, Gpus>> = { NODE, ODD, MANY };

/** The first shares of each GPU: `gpu-0*2 gpu-1`. */
const firstShares = (value: unknown): string[] =>
  words(value).flatMap((gpu) => {
    const [id, count = "1"] = gpu.split("*");
    return Array.from({ length: Number(count) }, (_, share) => `${id}::${share}`);
  });

const { allocated, asked } = clauses(import.meta, {
  allocated: { what: text, node: (name) => NODES[text(name)]!, shares: words, expected: text },
  asked: { available: firstShares, included: words, size: number, expected: text, why: text },
});

check("gpu: Allocate returns the GPUs, the shares' memory, and one device node for each", () => {
  for (const { what, node, shares, expected } of allocated) {
    const { envs = {}, devices = [] } = allocationOf(node, shares);
    const nodes = devices.map((each) => {
      return `${each.containerPath} ${each.hostPath} ${each.permissions}`;
    });
    const { R2K_GPUS = "", R2K_GPU_MEMORY_MIB = "" } = envs as Record<string, string>;
    const happened = [R2K_GPUS, R2K_GPU_MEMORY_MIB, ...nodes].join("; ");
    judge(happened === expected, {
      when: `a container gets ${what}`,
      expected,
      happened,
      why: "sharers stay within their parts; a container with one node twice does not start",
    });
  }
});

check("gpu: Allocate refuses a share that does not exist", () => {
  for (const share of ["gpu-0::4", "gpu-7::0", "gpu-0"]) {
    let happened = "an allocation";
    try {
      allocationOf(NODE, ["gpu-0::0", share]);
    } catch (thrown) {
      if (isUnwritten(thrown)) throw thrown;
      happened =
        thrown instanceof RpcError
          ? `an RpcError with the code ${thrown.code}`
          : `no RpcError: ${String(thrown)}`;
    }
    const expected = "an RpcError with the code INVALID_ARGUMENT";
    judge(happened === expected, {
      when: `Allocate names ${share}; the shares are ::0 to ::3 of gpu-0 and gpu-1`,
      expected,
      happened,
      why: "the pod would start without its device, and fail later for a reason that nothing names",
    });
  }
});

check("gpu: GetPreferredAllocation packs the shares on few GPUs", () => {
  for (const { available, included, size, expected, why } of asked) {
    const chosen = preferPacked({
      availableDeviceIDs: available,
      mustIncludeDeviceIDs: included,
      allocationSize: size,
    });
    const happened = chosen
      .map((id) => id.slice(0, id.indexOf(":")))
      .sort()
      .join();
    const missing = included.filter((id) => !chosen.includes(id));
    const fine = happened === expected && missing.length === 0;
    judge(fine && new Set(chosen).size === chosen.length, {
      when:
        `${size} of ${available.join(", ")}` +
        (included.length > 0 ? `, with ${included.join()}` : ""),
      expected: `shares of ${expected}, each once`,
      happened: chosen.join(", ") || "no shares",
      why,
    });
  }
});
