import { CodedError } from "@raft2kube/std/errors.ts";

/** gRPC status numbers that etcd answers with (grpc/statuscodes). */
export const STATUS = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** The errors of etcd's auth. With UNKNOWN: those without a status of their own. */
const AUTH_ERRORS = {
  rootUserMissing: [STATUS.FAILED_PRECONDITION, "etcdserver: root user does not exist"],
  rootRoleMissing: [STATUS.FAILED_PRECONDITION, "etcdserver: root user does not have root role"],
  userExists: [STATUS.FAILED_PRECONDITION, "etcdserver: user name already exists"],
  userEmpty: [STATUS.INVALID_ARGUMENT, "etcdserver: user name is empty"],
  userNotFound: [STATUS.FAILED_PRECONDITION, "etcdserver: user name not found"],
  roleExists: [STATUS.FAILED_PRECONDITION, "etcdserver: role name already exists"],
  roleNotFound: [STATUS.FAILED_PRECONDITION, "etcdserver: role name not found"],
  roleEmpty: [STATUS.INVALID_ARGUMENT, "etcdserver: role name is empty"],
  authFailed: [
    STATUS.INVALID_ARGUMENT,
    "etcdserver: authentication failed, invalid user ID or password",
  ],
  noPasswordUser: [
    STATUS.UNKNOWN,
    "auth: authentication failed, password was given for no password user",
  ],
  passwordTooLong: [STATUS.UNKNOWN, "bcrypt: password length exceeds 72 bytes"],
  verifyOnly: [STATUS.UNKNOWN, "auth: token signing attempted with verify-only key"],
  permissionNotGiven: [STATUS.INVALID_ARGUMENT, "etcdserver: permission not given"],
  permissionDenied: [STATUS.PERMISSION_DENIED, "etcdserver: permission denied"],
  roleNotGranted: [STATUS.FAILED_PRECONDITION, "etcdserver: role is not granted to the user"],
  permissionNotGranted: [
    STATUS.FAILED_PRECONDITION,
    "etcdserver: permission is not granted to the role",
  ],
  authNotEnabled: [STATUS.FAILED_PRECONDITION, "etcdserver: authentication is not enabled"],
  invalidAuthToken: [STATUS.UNAUTHENTICATED, "etcdserver: invalid auth token"],
  invalidAuthManagement: [STATUS.INVALID_ARGUMENT, "etcdserver: invalid auth management"],
  authOldRevision: [STATUS.INVALID_ARGUMENT, "etcdserver: revision of auth store is old"],
} as const;

/**
 * etcd's errors by our names: status and text are part of its protocol, since clients compare both
 * (upstream: api/v3rpc/rpctypes).
 */
export const ETCD_ERRORS = {
  emptyKey: [STATUS.INVALID_ARGUMENT, "etcdserver: key is not provided"],
  keyNotFound: [STATUS.INVALID_ARGUMENT, "etcdserver: key not found"],
  valueProvided: [STATUS.INVALID_ARGUMENT, "etcdserver: value is provided"],
  leaseProvided: [STATUS.INVALID_ARGUMENT, "etcdserver: lease is provided"],
  tooManyOps: [STATUS.INVALID_ARGUMENT, "etcdserver: too many operations in txn request"],
  duplicateKey: [STATUS.INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request"],
  invalidSortOption: [STATUS.INVALID_ARGUMENT, "etcdserver: invalid sort option"],
  requestTooLarge: [STATUS.INVALID_ARGUMENT, "etcdserver: request is too large"],
  compacted: [STATUS.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"],
  futureRevision: [STATUS.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"],
  noSpace: [STATUS.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"],
  tooManyRequests: [STATUS.RESOURCE_EXHAUSTED, "etcdserver: too many requests"],
  leaseNotFound: [STATUS.NOT_FOUND, "etcdserver: requested lease not found"],
  leaseExists: [STATUS.FAILED_PRECONDITION, "etcdserver: lease already exists"],
  leaseTTLTooLarge: [STATUS.OUT_OF_RANGE, "etcdserver: too large lease TTL"],
  noLeader: [STATUS.UNAVAILABLE, "etcdserver: no leader"],
  notLeader: [STATUS.FAILED_PRECONDITION, "etcdserver: not leader"],
  leaderChanged: [STATUS.UNAVAILABLE, "etcdserver: leader changed"],
  stopped: [STATUS.UNAVAILABLE, "etcdserver: server stopped"],
  /** No leader took a proposal in time. */
  deadlineExceeded: [STATUS.DEADLINE_EXCEEDED, "context deadline exceeded"],
  timeout: [STATUS.UNAVAILABLE, "etcdserver: request timed out"],
  timeoutLeader: [
    STATUS.UNAVAILABLE,
    "etcdserver: request timed out, possibly due to previous leader failure",
  ],
  timeoutConnection: [
    STATUS.UNAVAILABLE,
    "etcdserver: request timed out, possibly due to connection lost",
  ],
  corrupt: [STATUS.DATA_LOSS, "etcdserver: corrupt cluster"],
  learnerUnsupported: [STATUS.FAILED_PRECONDITION, "etcdserver: rpc not supported for learner"],
  peerUrlExists: [STATUS.FAILED_PRECONDITION, "etcdserver: Peer URLs already exists"],
  memberExists: [STATUS.FAILED_PRECONDITION, "etcdserver: member ID already exist"],
  notEnoughStarted: [
    STATUS.FAILED_PRECONDITION,
    "etcdserver: re-configuration failed due to not enough started members",
  ],
  badUrls: [STATUS.INVALID_ARGUMENT, "etcdserver: given member URLs are invalid"],
  memberNotFound: [STATUS.NOT_FOUND, "etcdserver: member not found"],
  memberNotLearner: [
    STATUS.FAILED_PRECONDITION,
    "etcdserver: can only promote a learner member",
  ],
  learnerNotReady: [
    STATUS.FAILED_PRECONDITION,
    "etcdserver: can only promote a learner member which is in sync with leader",
  ],
  tooManyLearners: [
    STATUS.FAILED_PRECONDITION,
    "etcdserver: too many learner members in cluster",
  ],
  unhealthy: [STATUS.UNAVAILABLE, "etcdserver: unhealthy cluster"],
  wrongDowngradeFormat: [
    STATUS.INVALID_ARGUMENT,
    "etcdserver: wrong downgrade target version format",
  ],
  invalidDowngradeTarget: [
    STATUS.INVALID_ARGUMENT,
    "etcdserver: invalid downgrade target version",
  ],
  downgradeInProgress: [
    STATUS.FAILED_PRECONDITION,
    "etcdserver: cluster has a downgrade job in progress",
  ],
  badTransferee: [STATUS.FAILED_PRECONDITION, "etcdserver: bad leader transferee"],
  transferTimeout: [
    STATUS.UNAVAILABLE,
    "etcdserver: request timed out, leader transfer took too long",
  ],
  ...AUTH_ERRORS,
} as const;

export type EtcdErrorName = keyof typeof ETCD_ERRORS;

/** A failed etcd call: `status` is gRPC's number, `code` its name, `message` etcd's text. */
export class EtcdError extends CodedError {
  override readonly name = "EtcdError";
  readonly status: number;

  constructor(status: number, message: string, options: { cause?: unknown } = {}) {
    super(statusName(status), message, options);
    this.status = status;
  }

  /** Whether this is the named error of etcd, by its status and text. */
  is(name: EtcdErrorName): boolean {
    const [status, message] = ETCD_ERRORS[name];
    return this.status === status && this.message === message;
  }
}

/** One of etcd's own errors. */
export function etcdError(name: EtcdErrorName): EtcdError {
  const [status, message] = ETCD_ERRORS[name];
  return new EtcdError(status, message);
}

/** Whether `thrown` is the named error of etcd. */
export function isEtcdError(thrown: unknown, name: EtcdErrorName): boolean {
  return thrown instanceof EtcdError && thrown.is(name);
}

/** A status as Go's gRPC spells it, in etcd's metrics and reasons: `PermissionDenied`. */
export function goCodeName(status: number): string {
  if (status === STATUS.CANCELLED) return "Canceled";
  const words = statusName(status).toLowerCase().split("_");
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function statusName(status: number): string {
  const found = Object.entries(STATUS).find(([, number]) => number === status);
  return found ? found[0] : `STATUS_${status}`;
}
