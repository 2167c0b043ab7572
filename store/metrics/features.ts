/** A feature of etcd's that its gates name. */
export interface Feature {
  readonly name: string;
  readonly stage: "ALPHA" | "BETA";
  readonly on: boolean;
}

/** The features that flags decide. */
interface FreeFeatures {
  readonly initialCorruptCheck: boolean;
  readonly serving: { readonly stopsOnDefragment: boolean };
}

/** Returns etcd 3.6's features and whether each is on here. */
export const featuresOf = ({ initialCorruptCheck, serving }: FreeFeatures): Feature[] => [
  { name: "AllAlpha", stage: "ALPHA", on: false },
  { name: "AllBeta", stage: "BETA", on: false },
  { name: "CompactHashCheck", stage: "ALPHA", on: false },
  { name: "InitialCorruptCheck", stage: "ALPHA", on: initialCorruptCheck },
  { name: "LeaseCheckpoint", stage: "ALPHA", on: true },
  { name: "LeaseCheckpointPersist", stage: "ALPHA", on: true },
  { name: "SetMemberLocalAddr", stage: "ALPHA", on: false },
  { name: "StopGRPCServiceOnDefrag", stage: "ALPHA", on: serving.stopsOnDefragment },
  { name: "TxnModeWriteWithSharedBuffer", stage: "BETA", on: true },
];
