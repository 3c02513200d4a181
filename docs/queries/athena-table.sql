-- A table over a trail's files that has sourceidentity, which AWS's own example of the table leaves out.
-- Replace the bucket, the account and the Region.
CREATE EXTERNAL TABLE cloudtrail_sessions (
    eventversion STRING,
    useridentity STRUCT<
        type: STRING,
        arn: STRING,
        accountid: STRING,
        invokedby: STRING,
        sessioncontext: STRUCT<
            sessionissuer: STRUCT<type: STRING, arn: STRING, username: STRING>,
            sourceidentity: STRING
        >
    >,
    eventtime STRING,
    eventsource STRING,
    eventname STRING,
    awsregion STRING,
    sourceipaddress STRING,
    errorcode STRING,
    requestparameters STRING,
    eventid STRING,
    vpcendpointid STRING
)
PARTITIONED BY (`day` STRING)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://my-trail/AWSLogs/111122223333/CloudTrail/us-east-1/'
TBLPROPERTIES (
    'projection.enabled' = 'true',
    'projection.day.type' = 'date',
    'projection.day.format' = 'yyyy/MM/dd',
    'projection.day.range' = '2026/01/01,NOW',
    'storage.location.template' = 's3://my-trail/AWSLogs/111122223333/CloudTrail/us-east-1/${day}'
)
