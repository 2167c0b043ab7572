import {
  allocationOf,
  type Gpus,
  preferPacked,
  sharesOf,
} from "@raft2kube/device/plugins/gpu/gpu.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { check } from "../check.ts";
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

/** Allocations: what is asked for in words, the node, the shares, and what the container gets. */
const ALLOCATED: readonly (readonly [string, Gpus, string[], string])[] = [
  [
    "two of four shares of 16384 MiB, and one of four of 8192 MiB",
    NODE,
    ["gpu-1::3", "gpu-0::0", "gpu-0::2"],
    "gpu-0,gpu-1; 8192,2048; /dev/r2k-gpu/gpu-0 /dev/null rw; /dev/r2k-gpu/gpu-1 /dev/null rw",
  ],
  [
    "one share of one of two GPUs",
    NODE,
    ["gpu-1::0"],
    "gpu-1; 2048; /dev/r2k-gpu/gpu-1 /dev/null rw",
  ],
  [
    "all three shares of 1000 MiB, each of 333, and one of 2000 of the GPU listed after it",
    ODD,
    ["gpu-1::0", "gpu-0::2", "gpu-1::1", "gpu-1::2"],
    "gpu-0,gpu-1; 666,999; /dev/r2k-gpu/gpu-0 /dev/zero rw; /dev/r2k-gpu/gpu-1 /dev/zero rw",
  ],
  [
    "a share of gpu-2 and two of gpu-10, sorted as text",
    MANY,
    ["gpu-2::0", "gpu-10::0", "gpu-10::1"],
    "gpu-10,gpu-2; 2000,1000; /dev/r2k-gpu/gpu-10 /dev/null rw; /dev/r2k-gpu/gpu-2 /dev/null rw",
  ],
];

check("gpu: Allocate returns the GPUs, the shares' memory, and one device node for each", () => {
  for (const [what, node, shares, expected] of ALLOCATED) {
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

/** Free shares, those that must be included, how many are asked for, and GPUs of the answer. */
const ASKED: readonly (readonly [string[], string[], number, string, string])[] = [
  [
    ["gpu-0::0", "gpu-0::1", "gpu-0::2", "gpu-1::0"],
    [],
    1,
    "gpu-1",
    "the GPU with the fewest shares that is enough: the whole of the other stays free",
  ],
  [
    ["gpu-0::0", "gpu-0::1", "gpu-1::0", "gpu-1::1", "gpu-1::2"],
    [],
    3,
    "gpu-1,gpu-1,gpu-1",
    "one GPU has enough: no copies between GPUs",
  ],
  [
    ["gpu-0::0", "gpu-0::1", "gpu-0::2", "gpu-1::0"],
    ["gpu-0::0"],
    2,
    "gpu-0,gpu-0",
    "the GPU of a share that must be included has another",
  ],
  [
    ["gpu-0::0", "gpu-1::0", "gpu-1::1", "gpu-2::0", "gpu-2::1", "gpu-2::2"],
    [],
    4,
    "gpu-0,gpu-2,gpu-2,gpu-2",
    "none has four: the one with the most first, and the fewest that is enough for the rest",
  ],
  [
    ["gpu-0::0", "gpu-0::1", "gpu-1::0", "gpu-1::1"],
    ["gpu-1::1"],
    1,
    "gpu-1",
    "what must be included is, whatever is packed better",
  ],
  [
    ["gpu-0::0", "gpu-1::0", "gpu-1::1", "gpu-2::0", "gpu-2::1", "gpu-2::2"],
    [],
    5,
    "gpu-1,gpu-1,gpu-2,gpu-2,gpu-2",
    "none has five: the one with the most first, so two GPUs do",
  ],
  [
    ["gpu-0::0", "gpu-1::0", "gpu-2::0", "gpu-2::1"],
    ["gpu-0::0", "gpu-2::0"],
    3,
    "gpu-0,gpu-2,gpu-2",
    "of two shares that must be included the second one's GPU has another",
  ],
  [
    ["gpu-0::0", "gpu-0::1", "gpu-1::0", "gpu-1::1", "gpu-1::2", "gpu-2::0", "gpu-2::1"],
    ["gpu-0::0"],
    4,
    "gpu-0,gpu-0,gpu-2,gpu-2",
    "the GPU of the included share first; for the other two the GPU with the fewest that is enough",
  ],
  [["gpu-1::0", "gpu-0::0"], [], 1, "gpu-0", "two have one: the lower id, in whatever order"],
  [["gpu-2::0", "gpu-10::0"], [], 1, "gpu-10", "two have one: the id that sorts first as text"],
  [
    ["gpu-0::0", "gpu-0::1", "gpu-1::0", "gpu-1::1", "gpu-2::0", "gpu-2::1"],
    [],
    5,
    "gpu-0,gpu-0,gpu-1,gpu-1,gpu-2",
    "none has five, and then none three: of those with the most the lower id",
  ],
  [["gpu-0::0", "gpu-1::0"], [], 3, "gpu-0,gpu-1", "the kubelet decides by itself about the rest"],
];

check("gpu: GetPreferredAllocation packs the shares on few GPUs", () => {
  for (const [availableDeviceIDs, mustIncludeDeviceIDs, allocationSize, expected, why] of ASKED) {
    const request = { availableDeviceIDs, mustIncludeDeviceIDs, allocationSize };
    const chosen = preferPacked(request);
    const happened = chosen
      .map((id) => id.slice(0, id.indexOf(":")))
      .sort()
      .join();
    const missing = mustIncludeDeviceIDs.filter((id) => !chosen.includes(id));
    const fine = happened === expected && missing.length === 0;
    judge(fine && new Set(chosen).size === chosen.length, {
      when:
        `${allocationSize} of ${availableDeviceIDs.join(", ")}` +
        (mustIncludeDeviceIDs.length > 0 ? `, with ${mustIncludeDeviceIDs.join()}` : ""),
      expected: `shares of ${expected}, each once`,
      happened: chosen.join(", ") || "no shares",
      why,
    });
  }
});
