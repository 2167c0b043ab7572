import { exponentialBounds } from "@raft2kube/observe/families.ts";

/** Buckets of requests and of calls to the store, in seconds (upstream's). */
export const REQUEST_BOUNDS_S = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45,
  60,
];
/** The same for what is promised to users, which nobody measures below 50 ms. */
export const PROMISE_BOUNDS_S = REQUEST_BOUNDS_S.filter((bound) => bound >= 0.05);
/** Of who asks and whether they may. */
export const ACCESS_BOUNDS_S = exponentialBounds(0.001, 2, 15);
/** Where Prometheus' own default is upstream's. */
export const DEFAULT_BOUNDS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
