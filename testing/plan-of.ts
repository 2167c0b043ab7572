import type { ServicePlan } from "../proxy/plan/model.ts";
import { planService } from "../proxy/plan/service.ts";
import { atOnce } from "./at-once.ts";

/** Returns the plan of a Service, whose steps it does in this turn. */
export const planOf = (...service: Parameters<typeof planService>): ServicePlan =>
  atOnce(planService(...service));
