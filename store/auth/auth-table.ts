import { Role, User } from "@raft2kube/proto/gen/etcd.ts";
import type { BackendWrite } from "../backend/backend.ts";
import { mergePermissions, type UserPermissions } from "./permissions.ts";

const USERS = "authUsers/";
const ROLES = "authRoles/";
const ENABLED_KEY = Buffer.from("auth/authEnabled");
const REVISION_KEY = Buffer.from("auth/authRevision");
/** Where all of it lies in the backend: etcd's buckets. */
export const AUTH_BUCKETS = ["auth", "authUsers", "authRoles"] as const;

/** A store's auth revision before anything about it was changed, as etcd's. */
const FIRST_REVISION = 1;

/**
 * Users, roles, and whether they are asked for: part of the replicated state, changed by applied
 * commands alone. Each change is one auth revision.
 */
export class AuthTable {
  readonly #users = new Map<string, User>();
  readonly #roles = new Map<string, Role>();
  readonly #permissions = new Map<string, UserPermissions>();
  readonly #note: (write: BackendWrite) => void;
  #enabled = false;
  #revision = FIRST_REVISION;

  /** `note` takes what the next flush has to carry along. */
  constructor(note: (write: BackendWrite) => void) {
    this.#note = note;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  get revision(): number {
    return this.#revision;
  }

  user(name: string): User | undefined {
    return this.#users.get(name);
  }

  role(name: string): Role | undefined {
    return this.#roles.get(name);
  }

  /** The users in the order of their names' bytes, as etcd lists them. */
  users(): User[] {
    return [...this.#users.values()].sort((a, b) => Buffer.compare(a.name, b.name));
  }

  roles(): Role[] {
    return [...this.#roles.values()].sort((a, b) => Buffer.compare(a.name, b.name));
  }

  /** The permissions of all of a user's roles. */
  permissions(name: string): UserPermissions {
    const known = this.#permissions.get(name);
    if (known) return known;
    const names = this.#users.get(name)?.roles ?? [];
    const found = mergePermissions(names.flatMap((role) => this.#roles.get(role) ?? []));
    this.#permissions.set(name, found);
    return found;
  }

  setEnabled(enabled: boolean): void {
    this.#enabled = enabled;
    this.#note({ key: ENABLED_KEY, value: Buffer.from([enabled ? 1 : 0]) });
  }

  putUser(user: User): void {
    this.#users.set(user.name.toString(), user);
    this.#note({ key: keyOf(USERS, user.name), value: User.encode(user) });
  }

  removeUser(name: string): void {
    this.#users.delete(name);
    this.#note({ key: keyOf(USERS, Buffer.from(name)), value: undefined });
  }

  putRole(role: Role): void {
    this.#roles.set(role.name.toString(), role);
    this.#note({ key: keyOf(ROLES, role.name), value: Role.encode(role) });
  }

  removeRole(name: string): void {
    this.#roles.delete(name);
    this.#note({ key: keyOf(ROLES, Buffer.from(name)), value: undefined });
  }

  /** Counts a change as a new revision: callers identified before are identified again. */
  commit(): void {
    this.#revision++;
    this.#permissions.clear();
    const value = Buffer.alloc(8);
    value.writeBigUInt64BE(BigInt(this.#revision));
    this.#note({ key: REVISION_KEY, value });
  }

  /** Takes in a pair found in the backend under one of `AUTH_BUCKETS`. */
  restore(key: Buffer, value: Buffer): void {
    const name = key.toString("latin1");
    if (name.startsWith(USERS)) {
      const user = User.decode(Buffer.from(value));
      this.#users.set(user.name.toString(), user);
    } else if (name.startsWith(ROLES)) {
      const role = Role.decode(Buffer.from(value));
      this.#roles.set(role.name.toString(), role);
    } else if (key.equals(ENABLED_KEY)) this.#enabled = value[0] === 1;
    else if (key.equals(REVISION_KEY)) this.#revision = Number(value.readBigUInt64BE());
  }
}

const keyOf = (prefix: string, name: Buffer): Buffer => Buffer.concat([Buffer.from(prefix), name]);
