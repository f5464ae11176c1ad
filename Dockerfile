# chapbook in an image of one file. `docker build .` makes it, and so do buildah and podman;
# `cargo xtask image` drives them, and knows each argument below (docs/image.md).
#
# - The site is compiled in: whatever the image is made of is in the context, but for crates, and
#   those are too after `cargo vendor --versioned-dirs`; then --network=none does.
# - A proxy's arguments are predefined. Declared here, they would stay in the image's history.
# - There are no certificates in the image, nor time zones: what asks for https has its roots
#   compiled in, and times are UTC.

ARG BUILDER_RUST_VERSION="1.95"
ARG BUILDER_VARIANT=""
ARG BUILDER_IMAGE_BASE="docker.io/library/rust"
ARG BUILDER_IMAGE="${BUILDER_IMAGE_BASE}:${BUILDER_RUST_VERSION}${BUILDER_VARIANT}"
ARG RUNTIME_BASE_IMAGE="scratch"

# --- What the dependencies hang on: the manifests, and sources with nothing in them -------------
FROM ${BUILDER_IMAGE} AS manifests
WORKDIR /context
COPY . .
RUN set -eu; \
    find . -path ./vendor -prune -o -name Cargo.toml -print > /manifests; \
    while read -r manifest; do \
        from="${manifest%/*}"; to="/chapbook/${from}"; \
        mkdir -p "${to}/src"; \
        cp "${manifest}" "${to}/"; \
        for name in build.rs src/lib.rs src/main.rs; do \
            if [ -e "${from}/${name}" ]; then echo 'fn main() {}' > "${to}/${name}"; fi; \
        done; \
    done < /manifests; \
    mkdir -p /chapbook/build; \
    cp build/static.* /chapbook/build/; \
    cp -R Cargo.lock .cargo /chapbook/; \
    if [ -d vendor ]; then cp -R vendor /chapbook/; fi; \
    chmod -R u=rwX,go=rX /chapbook # or the layer would hang on the umask of whoever checked it out

# --- A builder that lacks something gets it: `apk add --no-cache musl-dev gcc` ------------------
FROM ${BUILDER_IMAGE} AS prepared
ARG BUILDER_PREPARE=""
RUN set -eu; eval "${BUILDER_PREPARE}"

# --- The dependencies: a layer that stays while only our own sources change ---------------------
FROM prepared AS dependencies
WORKDIR /chapbook
COPY --from=manifests /chapbook .
ENV CARGO_TARGET_DIR="/chapbook/target"
ARG FEATURES="default"
# Cargo goes by times, and sources are older than the empty ones that were compiled here: what it
# knows of our own packages is forgotten.
RUN set -eu; \
    build/static.sh --no-default-features --features "${FEATURES}"; \
    find . \( -path ./vendor -o -path ./target \) -prune -o -name Cargo.toml \
        -exec sed -n '/^name = "/{s///;s/"$//p;q;}' {} \; > /packages; \
    while read -r name; do \
        find target -path "*/.fingerprint/${name}-*" -prune -exec rm -rf {} +; \
    done < /packages

# --- The executable -----------------------------------------------------------------------------
FROM dependencies AS build
COPY . .
ARG FEATURES="default"
# The site, as build.rs takes it from the environment: README.md, "Built in".
ARG CHAPBOOK_SITE=""
ARG CHAPBOOK_SHA256=""
ARG CHAPBOOK_ROOT=""
ARG CHAPBOOK_BASE_PATH=""
ARG CHAPBOOK_BASE_URL=""
ARG CHAPBOOK_CLEAN_URLS=""
ARG CHAPBOOK_SPA=""
ARG CHAPBOOK_CSP=""
ARG CHAPBOOK_DENY=""
ARG CHAPBOOK_CODINGS=""
ARG CHAPBOOK_STORE=""
# The stamp: a context has no .git.
ARG APP_VERSION=""
ARG APP_REVISION=""
ARG SOURCE_DATE_EPOCH=""
# The digest of the data set, if whoever builds knows it: what came into the context must be it.
ARG DATA_DIGEST=""
RUN set -eu; \
    case "${CHAPBOOK_SITE}" in \
        https://* | oci://*) ;; \
        *) \
            set -- "${CHAPBOOK_SITE:-data}"; \
            [ -e "$1" ] || { echo "failed to find the data set \`$1\` in the context" >&2; exit 1; }; \
            digest="$(find -L "$1" -name '.?*' ! -name .well-known -prune \
                -o -type f -exec sha256sum {} + | LC_ALL=C sort | sha256sum)"; \
            case "${DATA_DIGEST}" in \
                "" | "sha256:${digest%% *}") ;; \
                *) \
                    echo "failed to take the data set \`$1\`: its digest is sha256:${digest%% *}," \
                        "not ${DATA_DIGEST}" >&2; \
                    exit 1 ;; \
            esac ;; \
    esac; \
    build/static.sh --no-default-features --features "${FEATURES}"; \
    mkdir /image; \
    cp target/*/release/chapbook /image/; \
    chmod 0555 /image/chapbook; \
    touch -d "@${SOURCE_DATE_EPOCH:-0}" /image/chapbook
# It runs, its site is whole, and no loader is asked for.
RUN set -eu; \
    /image/chapbook version; \
    /image/chapbook verify; \
    if readelf -l /image/chapbook | grep -q INTERP; then \
        echo 'failed to build `chapbook`: it is linked dynamically' >&2; exit 1; \
    fi

# --- The image ----------------------------------------------------------------------------------
FROM ${RUNTIME_BASE_IMAGE} AS runtime
COPY --from=build /image/chapbook /chapbook
ARG PORT="8080"
ENV PORT="${PORT}"
EXPOSE ${PORT}
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/chapbook", "healthcheck"]
# Not CMD: `docker run IMAGE ls` asks for a command of it, and Heroku wraps CMD in a shell.
ENTRYPOINT ["/chapbook"]

# An argument ends with its stage, so those that labels tell are named again.
ARG BUILDER_RUST_VERSION="1.95"
ARG BUILDER_VARIANT=""
ARG BUILDER_IMAGE_BASE="docker.io/library/rust"
ARG BUILDER_IMAGE="${BUILDER_IMAGE_BASE}:${BUILDER_RUST_VERSION}${BUILDER_VARIANT}"
ARG BUILDER_PREPARE=""
ARG RUNTIME_BASE_IMAGE="scratch"
ARG FEATURES="default"
ARG CHAPBOOK_SITE=""
ARG DATA_DIGEST=""
ARG APP_VERSION=""
ARG APP_REVISION=""
ARG APP_CREATED=""
ARG APP_SOURCE=""
LABEL org.opencontainers.image.title="chapbook" \
    org.opencontainers.image.description="A static web site in one executable that serves it" \
    org.opencontainers.image.licenses="BSD-2-Clause" \
    org.opencontainers.image.version="${APP_VERSION}" \
    org.opencontainers.image.revision="${APP_REVISION}" \
    org.opencontainers.image.created="${APP_CREATED}" \
    org.opencontainers.image.source="${APP_SOURCE}" \
    chapbook.rustc="${BUILDER_RUST_VERSION}" \
    chapbook.builder.image="${BUILDER_IMAGE}" \
    chapbook.builder.prepare="${BUILDER_PREPARE}" \
    chapbook.runtime.base="${RUNTIME_BASE_IMAGE}" \
    chapbook.features="${FEATURES}" \
    chapbook.port="${PORT}" \
    chapbook.data.source="${CHAPBOOK_SITE:-data}" \
    chapbook.data.digest="${DATA_DIGEST}"
