import { Status, statusName } from "@raft2kube/rpc/error.ts";
import { CodedError } from "@raft2kube/std/errors.ts";

type Errors<Names> = { readonly [Name in keyof Names]: readonly [status: Status, text: string] };

function withStatus<const Texts extends Readonly<Record<string, string>>>(
  status: Status,
  texts: Texts,
): Errors<Texts> {
  const rows = Object.entries(texts).map(([name, text]) => [name, [status, text]]);
  return Object.fromEntries(rows) as Errors<Texts>;
}

/**
 * etcd's errors by our names: status and text are part of its protocol, since clients compare both
 * (upstream: api/v3rpc/rpctypes).
 */
export const ETCD_ERRORS = {
  ...withStatus(Status.INVALID_ARGUMENT, {
    emptyKey: "etcdserver: key is not provided",
    keyNotFound: "etcdserver: key not found",
    valueProvided: "etcdserver: value is provided",
    leaseProvided: "etcdserver: lease is provided",
    tooManyOps: "etcdserver: too many operations in txn request",
    duplicateKey: "etcdserver: duplicate key given in txn request",
    invalidSortOption: "etcdserver: invalid sort option",
    requestTooLarge: "etcdserver: request is too large",
    badUrls: "etcdserver: given member URLs are invalid",
    wrongDowngradeFormat: "etcdserver: wrong downgrade target version format",
    invalidDowngradeTarget: "etcdserver: invalid downgrade target version",
    userEmpty: "etcdserver: user name is empty",
    roleEmpty: "etcdserver: role name is empty",
    authFailed: "etcdserver: authentication failed, invalid user ID or password",
    permissionNotGiven: "etcdserver: permission not given",
    invalidAuthManagement: "etcdserver: invalid auth management",
    authOldRevision: "etcdserver: revision of auth store is old",
  }),
  ...withStatus(Status.OUT_OF_RANGE, {
    compacted: "etcdserver: mvcc: required revision has been compacted",
    futureRevision: "etcdserver: mvcc: required revision is a future revision",
    leaseTTLTooLarge: "etcdserver: too large lease TTL",
  }),
  ...withStatus(Status.RESOURCE_EXHAUSTED, {
    noSpace: "etcdserver: mvcc: database space exceeded",
    tooManyRequests: "etcdserver: too many requests",
  }),
  ...withStatus(Status.NOT_FOUND, {
    leaseNotFound: "etcdserver: requested lease not found",
    memberNotFound: "etcdserver: member not found",
  }),
  ...withStatus(Status.FAILED_PRECONDITION, {
    leaseExists: "etcdserver: lease already exists",
    notLeader: "etcdserver: not leader",
    learnerUnsupported: "etcdserver: rpc not supported for learner",
    peerUrlExists: "etcdserver: Peer URLs already exists",
    memberExists: "etcdserver: member ID already exist",
    notEnoughStarted: "etcdserver: re-configuration failed due to not enough started members",
    memberNotLearner: "etcdserver: can only promote a learner member",
    learnerNotReady: "etcdserver: can only promote a learner member which is in sync with leader",
    tooManyLearners: "etcdserver: too many learner members in cluster",
    downgradeInProgress: "etcdserver: cluster has a downgrade job in progress",
    badTransferee: "etcdserver: bad leader transferee",
    rootUserMissing: "etcdserver: root user does not exist",
    rootRoleMissing: "etcdserver: root user does not have root role",
    userExists: "etcdserver: user name already exists",
    userNotFound: "etcdserver: user name not found",
    roleExists: "etcdserver: role name already exists",
    roleNotFound: "etcdserver: role name not found",
    roleNotGranted: "etcdserver: role is not granted to the user",
    permissionNotGranted: "etcdserver: permission is not granted to the role",
    authNotEnabled: "etcdserver: authentication is not enabled",
  }),
  ...withStatus(Status.UNAVAILABLE, {
    noLeader: "etcdserver: no leader",
    leaderChanged: "etcdserver: leader changed",
    stopped: "etcdserver: server stopped",
    timeout: "etcdserver: request timed out",
    timeoutLeader: "etcdserver: request timed out, possibly due to previous leader failure",
    timeoutConnection: "etcdserver: request timed out, possibly due to connection lost",
    unhealthy: "etcdserver: unhealthy cluster",
    transferTimeout: "etcdserver: request timed out, leader transfer took too long",
  }),
  ...withStatus(Status.DEADLINE_EXCEEDED, {
    /** No leader took a proposal in time. */
    deadlineExceeded: "context deadline exceeded",
  }),
  ...withStatus(Status.DATA_LOSS, { corrupt: "etcdserver: corrupt cluster" }),
  // Errors of etcd's auth without a status of their own.
  ...withStatus(Status.UNKNOWN, {
    noPasswordUser: "auth: authentication failed, password was given for no password user",
    passwordTooLong: "bcrypt: password length exceeds 72 bytes",
    verifyOnly: "auth: token signing attempted with verify-only key",
  }),
  ...withStatus(Status.PERMISSION_DENIED, { permissionDenied: "etcdserver: permission denied" }),
  ...withStatus(Status.UNAUTHENTICATED, { invalidAuthToken: "etcdserver: invalid auth token" }),
};

export type EtcdErrorName = keyof typeof ETCD_ERRORS;

/** A failed etcd call: `status` is gRPC's number, `code` its name, `message` etcd's text. */
export class EtcdError extends CodedError {
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
