import type { MethodTable, ServiceTable } from "@raft2kube/proto/service.ts";
import { RpcError, Status } from "./error.ts";

/** A service bound to its handlers, as `serve` returns it. */
export interface ServedService {
  readonly service: ServiceTable<unknown>;
  readonly handlers: Readonly<Record<string, unknown>>;
}

/** A method and its handler. */
export interface Route {
  /** `package.Service/Method`. */
  readonly name: string;
  readonly method: MethodTable;
  /**
   * The method's handler; undefined when the service has the method, and this server does not serve
   * it.
   */
  readonly handler: ((input: unknown, call: unknown) => unknown) | undefined;
}

/** Services by name, their methods by name. */
export type Routes = ReadonlyMap<string, ReadonlyMap<string, Route>>;

export function routesOf(services: readonly ServedService[]): Routes {
  const routes = new Map<string, ReadonlyMap<string, Route>>();
  for (const { service, handlers } of services) {
    const methods = new Map<string, Route>();
    for (const [key, method] of Object.entries(service.methods) as [string, MethodTable][]) {
      const name = `${service.fullName}/${method.name}`;
      methods.set(method.name, { name, method, handler: handlers[key] as Route["handler"] });
    }
    routes.set(service.fullName, methods);
  }
  return routes;
}

/** `/package.Service/Method`; what is not there is named as gRPC-Go does. */
export function findRoute(path: string, routes: Routes): Route | RpcError {
  const slash = path.lastIndexOf("/");
  const unknown = (text: string) => new RpcError(Status.UNIMPLEMENTED, text);
  if (!path.startsWith("/") || slash < 1) return unknown(`malformed method name: "${path}"`);
  const [service, method] = [path.slice(1, slash), path.slice(slash + 1)];
  const methods = routes.get(service);
  if (!methods) return unknown(`unknown service ${service}`);
  const route = methods.get(method);
  if (!route) return unknown(`unknown method ${method} for service ${service}`);
  if (!route.handler) return unknown(`${service}/${method} is not implemented`);
  return route;
}
