/** A feature of etcd's that its gates name. */
export interface Feature {
  readonly name: string;
  readonly stage: "ALPHA" | "BETA";
  readonly on: boolean;
}

/** Etcd 3.6's features as they are here; the flags admit no other value but for the free one. */
export function featuresOf(free: { readonly initialCorruptCheck: boolean }): Feature[] {
  return [
    { name: "AllAlpha", stage: "ALPHA", on: false },
    { name: "AllBeta", stage: "BETA", on: false },
    { name: "CompactHashCheck", stage: "ALPHA", on: false },
    { name: "InitialCorruptCheck", stage: "ALPHA", on: free.initialCorruptCheck },
    { name: "LeaseCheckpoint", stage: "ALPHA", on: true },
    { name: "LeaseCheckpointPersist", stage: "ALPHA", on: true },
    { name: "SetMemberLocalAddr", stage: "ALPHA", on: false },
    { name: "StopGRPCServiceOnDefrag", stage: "ALPHA", on: false },
    { name: "TxnModeWriteWithSharedBuffer", stage: "BETA", on: true },
  ];
}
