/** Pods looked at when a namespace starts to enforce a level of pod security (upstream's 3,000). */
export const POD_SECURITY_PODS_MAX = 3_000;
