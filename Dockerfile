# The binary alone, static, as a user without rights. Data lives in /data.
FROM golang:1.26 AS build
ARG VERSION=devel
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/confidant ./cmd/confidant \
 && mkdir -m 0700 /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/confidant /confidant
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
# Inside a container loopback would be of no use. Beyond loopback SSLIFY is on:
# see docs/operations.md for the choice between TLS here and a proxy in front.
ENV HOST=0.0.0.0 PORT=8080 CONFIDANT_DATA_DIR=/data
EXPOSE 8080
VOLUME /data
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/confidant", "healthcheck", "--quiet"]
ENTRYPOINT ["/confidant"]
CMD ["serve"]
