import { CORE_MUTANTS } from "./core.ts";
import { DISK_MUTANTS } from "./disk.ts";
import { LATER_MUTANTS } from "./later.ts";
import { LEASE_MUTANTS } from "./leases.ts";
import type { Mutant } from "./mutant.ts";
import { PROMISE_MUTANTS } from "./promises.ts";
import { RAFT_MUTANTS } from "./raft.ts";
import { READ_MUTANTS } from "./reads.ts";
import { STATE_MUTANTS } from "./state.ts";
import { WATCH_MUTANTS } from "./watch.ts";

/** Every bug that can be put back in. */
export const MUTANTS: readonly Mutant[] = [
  ...DISK_MUTANTS,
  ...RAFT_MUTANTS,
  ...CORE_MUTANTS,
  ...READ_MUTANTS,
  ...STATE_MUTANTS,
  ...WATCH_MUTANTS,
  ...LEASE_MUTANTS,
  ...LATER_MUTANTS,
  ...PROMISE_MUTANTS,
];

/** Known bugs that the store cannot have, and the parts that are tested for them. */
export const ELSEWHERE: readonly { seen: string; breaks: string; why: string }[] = [
  {
    seen: "kubernetes #112814",
    breaks: "K2",
    why: "the store knows no pods: `controllers/statefulset`, `kubelet/sync/pod-workers.ts`",
  },
  {
    seen: "kubernetes #86944",
    breaks: "K2",
    why: "the store gives no addresses: `cni/plugins/host-local`, `runtime/sandbox/network.ts`",
  },
  {
    seen: "kubernetes #101791",
    breaks: "K2",
    why: "the store attaches no volumes: `csi/sidecars`, `kubelet/volumes`",
  },
  {
    seen: "kubernetes #72257",
    breaks: "K2",
    why: "the store mounts nothing: `kubelet/volumes`, `runtime/container/rootfs.ts`",
  },
];
