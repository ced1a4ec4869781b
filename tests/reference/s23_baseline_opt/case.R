# Table 1 of the OPT trial: standardized mean differences of treatment minus control (run: Rscript case.R, in this folder)
# Base R alone; the JSON is written by hand, so that no package is needed.
d <- read.csv("../../../demo/opt/opt.csv", strip.white = TRUE)
d$arm <- factor(d$arm, c("control", "treatment")); d$clinic <- factor(d$clinic)
# Austin 2009, equation 1: difference of means over the root of the mean of both variances
smd <- function(x) { a <- x[d$arm == "treatment"]; b <- x[d$arm == "control"]; a <- a[!is.na(a)]; b <- b[!is.na(b)]
  (mean(a) - mean(b)) / sqrt((var(a) + var(b)) / 2) }
codes <- c("crp", "pge2", "mmp9", "fibrin", "igg_aa", "igg_cr", "igg_fn", "igg_pg", "igg_pi", "igg_td", "igg_tf")
values <- lapply(codes, function(code) as.numeric(d[[paste0(code, "_base")]]))
log_smd <- mapply(function(code, x) if (all(x > 0, na.rm = TRUE)) smd(log(x)) else NA, codes, values)
raw_smd <- mapply(function(code, x) smd(x), codes, values)
# Yang & Dalton 2012 over the clinics: all levels but one, mean of the two multinomial covariance matrices
levels_smd <- function(f, drop) { p <- prop.table(table(d$arm, f), 1)[, -drop, drop = FALSE]
  S <- (diag(p[1, ]) - p[1, ] %o% p[1, ] + diag(p[2, ]) - p[2, ] %o% p[2, ]) / 2
  D <- p[2, ] - p[1, ]; sqrt(drop(t(D) %*% solve(S) %*% D)) }
n <- table(d$clinic, d$arm)
# Age in thirds: a factor on which nobody was stratified, so that its difference is not nearly zero
third <- cut(d$age, quantile(d$age, c(0, 1, 2) / 3, na.rm = TRUE, type = 7), include.lowest = TRUE)
third <- factor(ifelse(is.na(third), "old", as.character(third)))
j <- function(x) if (is.na(x)) "null" else sprintf("%.17g", x)
named <- function(x) paste0("{", paste(sprintf("\"%s\": %s", names(x), sapply(x, j)), collapse = ", "), "}")
lines <- c("{",
  sprintf(" \"log\": %s,", named(log_smd)),
  sprintf(" \"identity\": %s,", named(raw_smd)),
  sprintf(" \"clinic_counts\": {%s},", paste(sprintf("\"%s\": [%d, %d]", rownames(n), n[, 1], n[, 2]), collapse = ", ")),
  sprintf(" \"clinic\": %s,", j(levels_smd(d$clinic, 1))),
  sprintf(" \"clinic_without_the_last\": %s,", j(levels_smd(d$clinic, nlevels(d$clinic)))),
  sprintf(" \"thirds_counts\": {%s},", paste(sprintf("\"%s\": [%d, %d]", levels(third), table(third, d$arm)[, 1], table(third, d$arm)[, 2]), collapse = ", ")),
  sprintf(" \"thirds\": %s,", j(levels_smd(third, 1))),
  sprintf(" \"_made_with\": {\"R\": \"%s\"}", R.version.string), "}")
writeLines(lines, "expected.json")
