/** The etcd whose API this is: clients decide by it what they may ask for. */
export const ETCD_VERSION = "3.6.5";
export const CLUSTER_VERSION = "3.6.0";
/** The version that a cluster may be downgraded to. */
export const VERSION_BEFORE = "3.5.0";
