/** The user of a request, authenticated by token or certificate before it went into the log. */
export interface Caller {
  user: string;
  /** The auth revision at which the user was found: older than the present one is refused. */
  revision: number;
}

/** The user and the role that may do everything, by name, as etcd's. */
export const ROOT = "root";
